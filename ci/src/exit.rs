//! How the process ends.

/// The exit codes, all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: nothing was left behind, or the answer was given.
    Clean,
    /// 1: something was left behind, a planted bug was not caught, a case showed another verdict than it says,
    /// a run was not the same twice, or a server does something else than a row of the behaviours says.
    LeftBehind,
    /// 2: the command line, a URL or a name is wrong. Nothing was done.
    Usage,
    /// 3: it could not run: a server, a container or the simulation itself failed.
    CouldNotRun,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit.code())
    }
}

impl Exit {
    /// The code.
    pub fn code(self) -> u8 {
        match self {
            Exit::Clean => 0,
            Exit::LeftBehind => 1,
            Exit::Usage => 2,
            Exit::CouldNotRun => 3,
        }
    }

    /// The worse of two ends, for a command that does several things.
    #[must_use]
    pub fn worse(self, other: Exit) -> Exit {
        let rank = |exit| match exit {
            Exit::Clean => 0,
            Exit::LeftBehind => 1,
            Exit::CouldNotRun => 2,
            Exit::Usage => 3,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}
