//! The simulated world does for its servers what the harness asks of any world. The server here is one of a
//! few lines; the simulated Postgres has tests of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use leftover_core::connection::Row;
use leftover_harness::census::Census;
use leftover_harness::reach::Situations;
use leftover_harness::world::{Server, World, WorldError};
use leftover_sim::net::ServerEnd;
use leftover_sim::runtime::Simulation;
use leftover_sim::world::{SimServer, SimWorld, WorldOptions};
use leftover_wire::login::Login;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

/// Says who it is to whoever connects, and hangs up when it crashes.
#[derive(Clone)]
struct Greeter {
    name: String,
    open: Rc<RefCell<usize>>,
    crashes: watch::Sender<u32>,
}

impl SimServer for Greeter {
    fn serve(&self, mut socket: ServerEnd) -> impl Future<Output = ()> + 'static {
        let Greeter { name, open, crashes } = self.clone();
        async move {
            *open.borrow_mut() += 1;
            let mut crashed = crashes.subscribe();
            socket.write_all(name.as_bytes()).await.unwrap();
            crashed.changed().await.unwrap();
            *open.borrow_mut() -= 1;
        }
    }

    async fn sql(&self, database: &str, user: &str, sql: &str) -> Result<Vec<Row>, String> {
        match sql {
            "who" => Ok(vec![Row(vec![Some(format!("{} {user}@{database}", self.name))])]),
            other => Err(format!("42601 {other}")),
        }
    }

    fn census(&self) -> Census {
        Census::default()
    }

    fn peak_sessions(&self, prefix: &str) -> usize {
        *self.open.borrow() + prefix.len()
    }

    fn reached(&self) -> Situations {
        Situations::default()
    }

    fn crash(&self) {
        self.crashes.send_modify(|crashes| *crashes += 1);
    }

    fn restart(&self) {}
}

fn in_a_world<F: Future>(test: impl FnOnce(SimWorld) -> F) -> F::Output {
    let login = Login {
        user: "mirror".to_owned(),
        password: None,
        database: "shop".to_owned(),
    };
    Simulation::new(5)
        .run(|sim| {
            test(SimWorld::new(
                &sim,
                "greeters",
                &WorldOptions::new(login),
                |server, time| Greeter {
                    name: format!("{server} {time}"),
                    open: Rc::default(),
                    crashes: watch::Sender::new(0),
                },
            ))
        })
        .unwrap()
}

async fn greeting(world: &SimWorld, server: Server) -> String {
    let mut heard = [0; 8];
    world
        .dial(server)
        .await
        .unwrap()
        .read_exact(&mut heard)
        .await
        .unwrap();
    String::from_utf8(heard.to_vec()).unwrap()
}

#[test]
fn each_server_is_reached_by_its_name_in_band_and_out_of_band() {
    in_a_world(|world| async move {
        for server in Server::BOTH {
            assert_eq!(greeting(&world, server).await, format!("{server} 0"));
            let rows = world.sql(server, "who").await.unwrap();
            assert_eq!(rows[0].get(0), Some(format!("{server} 0 mirror@shop").as_str()));
            assert_eq!(world.peak_sessions(server, "ab").await.unwrap(), 3);
        }
        let refused = world.sql(Server::Target, "nonsense").await.unwrap_err();
        assert!(
            matches!(
                refused,
                WorldError::Sql {
                    server: Server::Target,
                    ..
                }
            ),
            "{refused}"
        );
        assert_eq!(
            refused.to_string(),
            "the target server refused \"nonsense\": 42601 nonsense"
        );
    });
}

#[test]
fn a_crash_ends_the_sessions_of_one_server_and_refuses_new_ones_until_it_is_back() {
    in_a_world(|world| async move {
        let mut link = world.dial(Server::Source).await.unwrap();
        let mut other = world.dial(Server::Target).await.unwrap();
        let world = &world;
        let meanwhile = async {
            world.clock().sleep(Duration::from_millis(50)).await;
            let refused = world.dial(Server::Source).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            world.dial(Server::Target).await.unwrap();
        };
        let crash = async {
            world.crash(Server::Source).await?;
            world.restart(Server::Source).await
        };
        futures_util::future::join(crash, meanwhile).await.0.unwrap();
        let mut heard = String::new();
        link.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "source 0", "and then EOF");
        assert_eq!(greeting(world, Server::Source).await, "source 0");
        other.read_exact(&mut [0; 8]).await.unwrap();
        assert_eq!(
            world.peak_sessions(Server::Target, "").await.unwrap(),
            2,
            "the target did not crash"
        );
    });
}

#[test]
fn a_reset_puts_new_servers_in_the_place_of_the_old_ones() {
    in_a_world(|world| async move {
        let mut link = world.dial(Server::Source).await.unwrap();
        world.reset().await.unwrap();
        assert_eq!(greeting(&world, Server::Source).await, "source 1");
        assert_eq!(greeting(&world, Server::Target).await, "target 1");
        let mut heard = String::new();
        let _ = link.read_to_string(&mut heard).await;
        assert!(heard.is_empty() || heard == "source 0", "{heard}");
    });
}

#[test]
fn a_world_can_be_shared_between_threads_although_its_servers_cannot() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<SimWorld>();
}
