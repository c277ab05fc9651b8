//! What a startup packet says.

use leftover_core::connection::Startup;

use crate::login::Login;

/// The parameters of a startup packet, and the password that may be asked for after it.
pub(crate) struct Parameters {
    pub(crate) user: String,
    pub(crate) password: Option<String>,
    pub(crate) database: String,
    pub(crate) application_name: String,
    /// The `options` parameter: `-c name=value …`. Empty when there are no settings.
    pub(crate) options: String,
    /// Whether it is a walsender.
    pub(crate) replication: bool,
}

impl Parameters {
    pub(crate) fn new(
        login: &Login,
        startup: &Startup,
        options: Option<&str>,
        replication: bool,
    ) -> Parameters {
        let settings = options_of(&startup.settings);
        let options = match options {
            // Of two `-c` for one setting the last one wins: ours, which bound what we hold.
            Some(given) if !settings.is_empty() => format!("{given} {settings}"),
            Some(given) => given.to_owned(),
            None => settings,
        };
        Parameters {
            user: login.user.clone(),
            password: login.password.clone(),
            database: login.database.clone(),
            application_name: startup.application_name.clone(),
            options,
            replication,
        }
    }

    /// The pairs of the startup packet.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let always = [
            ("client_encoding", "UTF8"),
            ("user", &*self.user),
            ("database", &*self.database),
            ("application_name", &*self.application_name),
        ];
        let options = Some(("options", &*self.options)).filter(|(_, options)| !options.is_empty());
        let replication = self.replication.then_some(("replication", "database"));
        always.into_iter().chain(options).chain(replication)
    }
}

/// `-c name=value` for each setting. The server splits at white space, and takes what follows a backslash as it
/// is (`pg_split_opts`).
fn options_of(settings: &[(String, String)]) -> String {
    let length = settings
        .iter()
        .map(|(name, value)| " -c =".len() + name.len() + value.len());
    let mut options = String::with_capacity(length.sum());
    for (name, value) in settings {
        if !options.is_empty() {
            options.push(' ');
        }
        options.push_str("-c ");
        for part in [name.as_str(), "=", value.as_str()] {
            let mut rest = part;
            // Most need no backslash, and that is seen at a glance.
            let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
            if rest.bytes().all(plain) {
                options.push_str(rest);
                continue;
            }
            while let Some(at) = rest.find(|c: char| c.is_whitespace() || c == '\\') {
                let next = rest[at..].chars().next().map_or(at, |c| at + c.len_utf8());
                options.push_str(&rest[..at]);
                options.push('\\');
                options.push_str(&rest[at..next]);
                rest = &rest[next..];
            }
            options.push_str(rest);
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::options_of;
    use proptest::prelude::*;

    /// How the server splits `options` (`pg_split_opts` in `postinit.c`).
    fn split_as_the_server_does(options: &str) -> Vec<String> {
        let mut words = Vec::new();
        let mut characters = options.chars().peekable();
        loop {
            while characters
                .next_if(|c| c.is_ascii_whitespace() || *c == '\x0b')
                .is_some()
            {}
            if characters.peek().is_none() {
                return words;
            }
            let mut word = String::new();
            while let Some(c) = characters.next_if(|c| !(c.is_ascii_whitespace() || *c == '\x0b')) {
                if c == '\\' {
                    word.extend(characters.next());
                } else {
                    word.push(c);
                }
            }
            words.push(word);
        }
    }

    #[test]
    fn settings_are_written_as_the_command_line_of_the_server() {
        let settings = [
            ("a".to_owned(), "1 2\\3".to_owned()),
            ("b.c".to_owned(), "x".to_owned()),
        ];
        assert_eq!(options_of(&settings), r"-c a=1\ 2\\3 -c b.c=x");
    }

    proptest! {
        #[test]
        fn the_server_reads_back_every_setting(
            settings in prop::collection::vec(("[a-z_.]{1,8}", "[ -~\t\u{e4}\u{2003}]{0,12}"), 0..4)
        ) {
            let words = split_as_the_server_does(&options_of(&settings));
            let expected: Vec<String> = settings
                .iter()
                .flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")])
                .collect();
            prop_assert_eq!(words, expected);
        }
    }
}
