//! Connection strings, as libpq reads them.

use leftover_wire::tcp::Host;
use leftover_wire::url::{Server, UrlError, parse};
use proptest::prelude::*;

fn tcp(server: &Server) -> (&str, u16) {
    match &server.address.host {
        Host::Tcp(name) => (name, server.address.port),
        Host::Unix(directory) => panic!("a Unix socket in {}", directory.display()),
    }
}

#[test]
fn a_full_url_says_everything() {
    let server = parse("postgresql://me:p%40ss%2Fword@db.example:6432/sh%C3%B6p?sslmode=prefer").unwrap();
    assert_eq!(tcp(&server), ("db.example", 6432));
    assert_eq!(server.login.user, "me");
    assert_eq!(server.login.password.as_deref(), Some("p@ss/word"));
    assert_eq!(server.login.database, "shöp");
}

#[test]
fn keys_and_values_say_the_same() {
    let server = parse(r"host=db.example port = 6432 user=me password='p@ss \'word' dbname=shop").unwrap();
    assert_eq!(tcp(&server), ("db.example", 6432));
    assert_eq!(server.login.password.as_deref(), Some("p@ss 'word"));
}

#[test]
fn the_database_is_named_like_the_user_and_the_port_is_5432() {
    let server = parse("postgres://me@db").unwrap();
    assert_eq!(
        (tcp(&server), server.login.database.as_str()),
        (("db", 5432), "me")
    );
    assert_eq!(server.login.password, None);
}

#[test]
fn the_user_is_the_operating_systems() {
    let id = std::process::Command::new("id").arg("-un").output().unwrap();
    let server = parse("postgres://db").unwrap();
    assert_eq!(server.login.user, String::from_utf8(id.stdout).unwrap().trim());
}

#[test]
fn an_ipv6_address_stands_in_brackets() {
    let server = parse("postgres://me@[::1]:6432/d").unwrap();
    assert_eq!(tcp(&server), ("::1", 6432));
    assert_eq!(server.to_string(), "me@[::1]:6432/d");
    assert_eq!(
        tcp(&parse("host=localhost hostaddr=::1 user=me").unwrap()),
        ("::1", 5432)
    );
}

#[test]
fn a_host_that_begins_with_a_slash_is_the_directory_of_a_socket() {
    for url in [
        "postgres:///d?user=me&port=6432&host=/run/pg",
        "postgres://me@%2Frun%2Fpg:6432/d",
        "host=/run/pg port=6432 user=me dbname=d",
    ] {
        let server = parse(url).unwrap();
        assert_eq!(server.to_string(), "me@/run/pg/.s.PGSQL.6432/d", "{url}");
    }
}

#[test]
fn without_a_host_it_is_this_machine() {
    match parse("postgres://me@/d?port=1").unwrap().address.host {
        Host::Tcp(name) => assert_eq!(name, "localhost"),
        Host::Unix(_) => panic!("there is no socket of a server on port 1"),
    }
}

#[test]
fn plain_modes_are_taken_and_what_needs_tls_is_refused() {
    for mode in ["disable", "allow", "prefer"] {
        parse(&format!("postgres://me@db/d?sslmode={mode}")).unwrap();
        parse(&format!("host=db user=me sslmode={mode}")).unwrap();
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        for url in [
            format!("postgres://me@db/d?sslmode={mode}"),
            format!("host=db user=me sslmode={mode}"),
        ] {
            let refused = parse(&url).unwrap_err();
            assert_eq!(refused, UrlError::TlsRequired("sslmode"), "{url}");
            assert!(refused.to_string().contains("TLS is not supported yet"));
        }
    }
    let refused = parse("postgres://me@db/d?sslmode=disable&channel_binding=require").unwrap_err();
    assert_eq!(refused, UrlError::TlsRequired("channel_binding=require"));
}

#[test]
fn several_hosts_are_refused() {
    assert_eq!(
        parse("postgres://me@a,b/d").unwrap_err(),
        UrlError::SeveralHosts(2)
    );
    assert_eq!(
        parse("host=a,b,c user=me").unwrap_err(),
        UrlError::SeveralHosts(3)
    );
    let wants = parse("postgres://me@a/d?target_session_attrs=read-write").unwrap_err();
    assert_eq!(wants, UrlError::TargetSessionAttrs);
}

#[test]
fn what_is_no_connection_string_is_refused_with_a_reason() {
    for (url, reason) in [
        ("mysql", "unexpected EOF"),
        ("postgres://me@db:notaport/d", "port"),
        ("postgres://me@db/d?no_such_option=1", "no_such_option"),
    ] {
        let refused = parse(url).unwrap_err().to_string();
        assert!(refused.contains(reason), "{refused}");
    }
}

#[test]
fn options_are_kept() {
    let server = parse("postgres://me@db/d?options=-c%20search_path%3Da").unwrap();
    assert_eq!(server.options.as_deref(), Some("-c search_path=a"));
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

proptest! {
    #[test]
    fn any_password_can_be_written_and_is_never_shown(password in "[^\0]{8,20}") {
        let server = parse(&format!("postgres://me:{}@db/d", percent_encoded(&password))).unwrap();
        prop_assert_eq!(server.login.password.as_deref(), Some(password.as_str()));
        let shown = format!("{server} {server:?}");
        prop_assert!(!shown.contains(&password));
        let as_debug = format!("{password:?}");
        prop_assert!(!shown.contains(&as_debug));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,40}", head in "(postgres://|host=|)") {
        let _ = parse(&format!("{head}{text}"));
    }
}
