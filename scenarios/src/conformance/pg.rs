//! What rows work with: connections to the server, an observer, and bounds.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::lock::Mutex;
use leftover_core::clock::{Instant, SharedClock};
use leftover_wire::login::Login;
use postgres_protocol::message::frontend;

use super::client::Client;
use super::postgres::Postgres;
use super::row::{Checked, Problem};
use super::said::Said;

/// A server and a superuser's session that looks at it.
pub struct Pg {
    server: Box<dyn Postgres>,
    clock: SharedClock,
    observer: Mutex<Client>,
    turn: u64,
    names: AtomicU32,
}

impl Pg {
    /// A stage on this server.
    ///
    /// # Errors
    /// When the observer is not let in.
    pub async fn new(server: Box<dyn Postgres>) -> Checked<Pg> {
        let mut observer = Client::new(server.dial().await?);
        let said = observer.log_in(&server.superuser(), &[]).await?;
        let Some(Said::Ready(_)) = said.last() else {
            return Err(Problem::differs(format!(
                "the observer was refused: {:?}",
                said.last()
            )));
        };
        Ok(Pg {
            clock: server.clock(),
            server,
            observer: Mutex::new(observer),
            turn: 0,
            names: AtomicU32::new(0),
        })
    }

    /// The same stage for another turn.
    #[must_use]
    pub fn at_turn(self, turn: u64) -> Pg {
        Pg { turn, ..self }
    }

    /// Which try this is: the seed on the simulator, a count on a real server. A race that strikes at another
    /// moment each time goes by this.
    pub fn turn(&self) -> u64 {
        self.turn
    }

    /// The server itself: what an operator can do.
    pub fn server(&self) -> &dyn Postgres {
        &*self.server
    }

    /// Its major version.
    pub fn major(&self) -> u32 {
        self.server.major()
    }

    /// A name that nothing of this row has yet.
    pub fn new_name(&self, prefix: &str) -> String {
        format!("{prefix}_{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    // Connections.

    /// A client that has said nothing.
    ///
    /// # Errors
    /// When the server does not listen.
    pub async fn dial(&self) -> Checked<Client> {
        Ok(Client::new(self.server.dial().await?))
    }

    /// A session of this login with these startup parameters, or what the server said instead.
    ///
    /// # Errors
    /// When the connection fails; a refusal is an answer.
    pub async fn try_connect(
        &self,
        login: &Login,
        parameters: &[(&str, &str)],
    ) -> Checked<Result<Client, Vec<Said>>> {
        let mut client = self.dial().await?;
        let said = client.log_in(login, parameters).await?;
        Ok(match said.last() {
            Some(Said::Ready(_)) => Ok(client),
            _ => Err(said),
        })
    }

    /// A session of this login with these startup parameters.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn connect_as(&self, login: &Login, parameters: &[(&str, &str)]) -> Checked<Client> {
        self.try_connect(login, parameters)
            .await?
            .map_err(|said| Problem::differs(format!("{login:?} {parameters:?} was refused: {said:?}")))
    }

    /// A session of the ordinary role.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn connect(&self) -> Checked<Client> {
        self.connect_set("").await
    }

    /// A session of the ordinary role with these settings: `-c lock_timeout=1s`.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn connect_set(&self, options: &str) -> Checked<Client> {
        self.connect_as(&self.server.login(), &[("options", options)])
            .await
    }

    /// A walsender of the ordinary role with these settings.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn walsender(&self, options: &str) -> Checked<Client> {
        let parameters = [("replication", "database"), ("options", options)];
        self.connect_as(&self.server.login(), &parameters).await
    }

    /// A superuser's session.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn superuser(&self) -> Checked<Client> {
        self.connect_as(&self.server.superuser(), &[]).await
    }

    /// Cancels as clients do, on a connection of its own; returns at its EOF.
    ///
    /// # Errors
    /// When the server answers anything.
    pub async fn cancel(&self, pid: i32, secret: i32) -> Checked {
        let mut client = self.dial().await?;
        let mut packet = BytesMut::new();
        frontend::cancel_request(pid, secret, &mut packet);
        client.send_raw(&packet).await?;
        match client.next().await {
            Said::Eof => Ok(()),
            said => Err(Problem::differs(format!(
                "a cancel request was answered: {said:?}"
            ))),
        }
    }

    // The observer.

    /// Lets the observer in again, after the server has ended all sessions.
    ///
    /// # Errors
    /// When the server does not let anybody in within 10 s.
    pub async fn look_again(&self) -> Checked {
        const AT_MOST: Duration = Duration::from_secs(10);
        let end = self.now() + AT_MOST;
        loop {
            if let Ok(Ok(client)) = self.try_connect(&self.server.superuser(), &[]).await {
                *self.observer.lock().await = client;
                return Ok(());
            }
            if self.now() > end {
                let words = format!("the server lets nobody in within {AT_MOST:?}");
                return Err(Problem::differs(words));
            }
            self.pause().await;
        }
    }

    /// Runs SQL as the ordinary role in a session of its own, which is gone on return.
    ///
    /// # Errors
    /// When it fails.
    pub async fn setup(&self, sql: &str) -> Checked {
        let mut client = self.connect().await?;
        client.rows(sql).await?;
        client.close().await
    }

    /// Runs SQL in the observer's session, as superuser.
    ///
    /// # Errors
    /// When it fails.
    pub async fn rows(&self, sql: &str) -> Checked<Vec<Vec<Option<String>>>> {
        self.observer.lock().await.rows(sql).await
    }

    /// One value, through the observer; empty for NULL and for no row.
    ///
    /// # Errors
    /// When it fails.
    pub async fn value(&self, sql: &str) -> Checked<String> {
        self.observer.lock().await.value(sql).await
    }

    /// A backend's `state wait_event_type/wait_event` in `pg_stat_activity`, such as `idle Client/ClientRead`;
    /// `gone` when it is not there.
    ///
    /// # Errors
    /// When the observer fails.
    pub async fn doing(&self, pid: i32) -> Checked<String> {
        let sql = format!(
            "SELECT state || coalesce(' ' || wait_event_type || '/' || wait_event, '') \
             FROM pg_stat_activity WHERE pid = {pid}"
        );
        let rows = self.rows(&sql).await?;
        let state = |row: &Vec<Option<String>>| row[0].clone().unwrap_or_default();
        Ok(rows.first().map_or_else(|| "gone".to_owned(), state))
    }

    // Time and bounds.

    /// Now.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Time passes.
    pub async fn sleep(&self, time: Duration) {
        self.clock.sleep(time).await;
    }

    /// The bound of what happens at once: 1 s on a real server, which may be busy; what the simulated one may
    /// draw for an exit or a statement.
    pub fn at_once(&self) -> Duration {
        if self.server.simulated() {
            Duration::from_millis(60)
        } else {
            Duration::from_secs(1)
        }
    }

    /// How long a state may take to come that a row needs and does not claim: a busy machine gets more time.
    pub fn patience(&self) -> Duration {
        self.at_once() * 10
    }

    /// Waits until a query's value, through the observer, is this.
    ///
    /// # Errors
    /// When it is not so at once; says what it was instead.
    pub async fn until_value(&self, sql: &str, wanted: &str) -> Checked {
        let end = self.now() + self.at_once();
        loop {
            let found = self.value(sql).await?;
            if found == wanted {
                return Ok(());
            }
            if self.now() > end {
                return Err(Problem::differs(format!(
                    "{sql}: {found:?} instead of {wanted:?}"
                )));
            }
            self.pause().await;
        }
    }

    /// Waits until a backend does this (see [`Pg::doing`]).
    ///
    /// # Errors
    /// When it does not come to that at once; says what it does instead.
    pub async fn until_doing(&self, pid: i32, wanted: &str) -> Checked {
        self.until_doing_within(pid, wanted, self.at_once()).await
    }

    /// Waits until a backend does this, with a bound of one's own.
    ///
    /// # Errors
    /// When it does not come to that in time; says what it does instead.
    pub async fn until_doing_within(&self, pid: i32, wanted: &str, bound: Duration) -> Checked {
        let end = self.now() + bound;
        loop {
            let found = self.doing(pid).await?;
            if found == wanted {
                return Ok(());
            }
            if self.now() > end {
                return Err(Problem::differs(format!(
                    "after {bound:?} backend {pid} is {found:?} instead of {wanted:?}"
                )));
            }
            self.pause().await;
        }
    }

    /// A backend is gone at once; the words say whose it was.
    ///
    /// # Errors
    /// When it is not.
    pub async fn gone_at_once(&self, pid: i32, what: &str) -> Checked {
        self.gone_within(pid, Duration::ZERO, what).await
    }

    /// A backend goes `after` so long from now, and then at once.
    ///
    /// # Errors
    /// When it goes earlier, or is still there.
    pub async fn gone(&self, pid: i32, after: Duration, what: &str) -> Checked {
        let start = self.now();
        self.gone_within(pid, after, what).await?;
        let took = self.now() - start;
        if took < after {
            let words = format!("{what}: gone after {took:?}, which is before {after:?}");
            return Err(Problem::differs(words));
        }
        Ok(())
    }

    /// A backend goes within this time, give or take what at once means.
    ///
    /// # Errors
    /// When it is still there.
    pub async fn gone_within(&self, pid: i32, time: Duration, what: &str) -> Checked {
        let (start, bound) = (self.now(), time + self.at_once());
        loop {
            let (found, took) = (self.doing(pid).await?, self.now() - start);
            if found == "gone" {
                return Ok(());
            }
            if took > bound {
                return Err(Problem::differs(format!("{what}: after {took:?} still {found}")));
            }
            self.pause().await;
        }
    }

    /// A backend keeps doing this for so long.
    ///
    /// # Errors
    /// When it does anything else in between.
    pub async fn stays(&self, pid: i32, doing: &str, time: Duration, what: &str) -> Checked {
        let start = self.now();
        loop {
            let (found, took) = (self.doing(pid).await?, self.now() - start);
            if found != doing {
                return Err(Problem::differs(format!(
                    "{what}: {found} after {took:?}, and not {doing} for {time:?}"
                )));
            }
            if took >= time {
                return Ok(());
            }
            self.sleep(Duration::from_millis(20)).await;
        }
    }

    /// Between two looks.
    async fn pause(&self) {
        self.sleep(Duration::from_millis(1)).await;
    }
}
