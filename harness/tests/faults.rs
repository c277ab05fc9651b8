//! Each fault, at each side of a message, does to both ends what it says, and to nobody else.

mod fake;

use std::sync::Arc;
use std::time::Duration;

use fake::link::Left;
use fake::toy::startup;
use fake::{FakeWorld, SECOND};
use futures_util::FutureExt;
use leftover_core::connection::{BackendKey, Connector as _, Session as _, Startup, Walsender as _};
use leftover_core::error::ConnectionError;
use leftover_harness::fault::plan::{Act, At, Fault, Persistence, Plan, Point, Scope, Strike, When};
use leftover_harness::fault::{FaultDial, Layer, Signal};
use leftover_harness::log::Way;
use leftover_harness::process::Process;
use leftover_harness::world::{Server, Silence, World};
use leftover_wire::dial::Dial as _;
use leftover_wire::session::Session;
use tokio::io::AsyncReadExt as _;

struct Setup {
    world: Arc<FakeWorld>,
    layer: Arc<Layer>,
    process: Process,
}

impl Setup {
    fn new(strikes: Vec<Strike>) -> Self {
        let world = FakeWorld::new();
        let layer = Layer::new(
            &Plan {
                strikes,
                ..Plan::calm()
            },
            world.clock(),
        );
        let process = Process::start(&world, &layer, "run");
        Setup {
            world,
            layer,
            process,
        }
    }

    async fn session(&self, role: &str) -> Result<Session, ConnectionError> {
        self.process.env().source.session(&startup(role)).await
    }

    fn left(&self, index: usize) -> Option<Left> {
        self.world.peer(Server::Source, index).left
    }

    fn arrived(&self, index: usize, kind: &str) -> bool {
        self.world
            .peer(Server::Source, index)
            .arrived
            .iter()
            .any(|known| known == kind)
    }
}

fn begin(when: When) -> At {
    let message = if when == When::BeforeDelivery {
        "CommandComplete BEGIN"
    } else {
        "Query BEGIN"
    };
    let point = Point {
        process: "run".to_owned(),
        server: Server::Source,
        role: "copy".to_owned(),
        connection: 1,
        message: message.to_owned(),
        nth: 1,
    };
    At::Message { point, when }
}

fn strike(when: When, fault: Fault, scope: Scope, persistence: Persistence) -> Vec<Strike> {
    vec![Strike {
        at: begin(when),
        act: Act::Fault {
            fault,
            scope,
            persistence,
        },
    }]
}

fn once(when: When, fault: Fault) -> Vec<Strike> {
    strike(when, fault, Scope::Connection, Persistence::Once)
}

const SIDES: [When; 3] = [When::BeforeSend, When::AfterSend, When::BeforeDelivery];

#[test]
fn fin_and_reset_end_both_ends_and_the_message_has_left_or_not() {
    for when in SIDES {
        for (fault, left) in [(Fault::Fin, Left::Fin), (Fault::Reset, Left::Rst)] {
            let setup = Setup::new(once(when, fault));
            setup.world.block_on(async {
                let mut session = setup.session("copy").await.expect("it opens");
                let answer = session.query("BEGIN").await;
                assert!(
                    matches!(answer, Err(ConnectionError::Lost { .. })),
                    "{fault} {when:?}: {answer:?}"
                );
                assert_eq!(setup.left(0), Some(left), "{fault} {when:?}");
                assert_eq!(
                    setup.arrived(0, "Query BEGIN"),
                    when != When::BeforeSend,
                    "{fault} {when:?}"
                );
            });
            assert_eq!(setup.layer.struck()[0].times, 1);
        }
    }
}

#[test]
fn half_close_reaches_the_server_as_fin_and_lets_the_client_read() {
    let setup = Setup::new(once(When::AfterSend, Fault::HalfClose));
    setup.world.block_on(async {
        let mut session = setup.session("copy").await.expect("it opens");
        // The fake server had answered before the FIN came.
        assert!(session.query("BEGIN").await.is_ok());
        assert_eq!(setup.left(0), Some(Left::Fin));
        assert!(session.query("COMMIT").await.is_err());
        assert!(!setup.arrived(0, "Query COMMIT"));
    });
}

#[test]
fn silence_lets_no_fin_through_when_the_client_leaves() {
    for (which, arrived) in [
        (Silence::Both, false),
        (Silence::ToServer, false),
        (Silence::ToClient, true),
    ] {
        let setup = Setup::new(once(When::BeforeSend, Fault::Silence(which)));
        setup.world.block_on(async {
            let mut session = setup.session("copy").await.expect("it opens");
            assert!(
                session.query("BEGIN").now_or_never().is_none(),
                "no answer comes: {which:?}"
            );
            assert_eq!(setup.arrived(0, "Query BEGIN"), arrived, "{which:?}");
            drop(session);
            let fin = (which == Silence::ToClient).then_some(Left::Fin);
            assert_eq!(setup.left(0), fin, "{which:?}");
        });
    }
}

#[test]
fn a_stalled_client_says_nothing_until_its_socket_is_closed() {
    for when in SIDES {
        let setup = Setup::new(once(when, Fault::Stall));
        setup.world.block_on(async {
            let mut session = setup.session("copy").await.expect("it opens");
            assert!(session.query("BEGIN").now_or_never().is_none());
            assert_eq!(
                setup.arrived(0, "Query BEGIN"),
                when != When::BeforeSend,
                "{when:?}"
            );
            assert_eq!(setup.left(0), None);
            drop(session);
            assert_eq!(setup.left(0), Some(Left::Fin));
        });
    }
}

#[test]
fn a_delay_passes() {
    for when in [When::BeforeSend, When::BeforeDelivery] {
        let setup = Setup::new(once(when, Fault::Delay(3 * SECOND)));
        setup.world.block_on(async {
            let mut session = setup.session("copy").await.expect("it opens");
            assert!(session.query("BEGIN").await.is_ok());
            assert_eq!(setup.world.time.now(), 3 * SECOND, "{when:?}");
            assert!(session.query("COMMIT").await.is_ok());
            assert_eq!(setup.world.time.now(), 3 * SECOND, "{when:?}");
        });
    }
}

#[test]
fn a_fault_of_the_host_hits_all_connections_to_that_server_and_no_other() {
    let reset = strike(
        When::AfterSend,
        Fault::Reset,
        Scope::Host,
        Persistence::FromThenOn,
    );
    let setup = Setup::new(reset);
    setup.world.block_on(async {
        let mut idle = setup.session("control").await.expect("it opens");
        let mut target = setup
            .process
            .env()
            .target
            .session(&startup("copy"))
            .await
            .expect("it opens");
        let other = Process::start(&setup.world, &setup.layer, "drop");
        let mut session = setup.session("copy").await.expect("it opens");
        assert!(session.query("BEGIN").await.is_err());
        assert_eq!(setup.left(0), Some(Left::Rst), "the idle one too");
        assert!(idle.query("SELECT 1").await.is_err());
        assert!(target.query("SELECT 1").await.is_ok());
        let refused = setup.session("copy").await.err();
        assert!(
            matches!(refused, Some(ConnectionError::Unreachable { .. })),
            "{refused:?}"
        );
        assert!(other.env().source.session(&startup("control")).await.is_ok());
        setup.layer.heal();
        assert!(setup.session("copy").await.is_ok());
    });
}

#[test]
fn after_a_host_went_silent_new_connections_hang_and_old_ones_send_no_fin() {
    let silence = Fault::Silence(Silence::Both);
    let setup = Setup::new(strike(
        When::AfterSend,
        silence,
        Scope::Host,
        Persistence::FromThenOn,
    ));
    setup.world.block_on(async {
        let idle = setup.session("control").await.expect("it opens");
        let mut session = setup.session("copy").await.expect("it opens");
        assert!(session.query("BEGIN").now_or_never().is_none());
        assert!(setup.session("copy").now_or_never().is_none());
        drop((idle, session));
        assert_eq!((setup.left(0), setup.left(1)), (None, None));
    });
}

#[test]
fn from_then_on_strikes_every_later_connection_of_the_role() {
    let setup = Setup::new(strike(
        When::BeforeSend,
        Fault::Fin,
        Scope::Connection,
        Persistence::FromThenOn,
    ));
    setup.world.block_on(async {
        for _ in 0..3 {
            let mut session = setup.session("copy").await.expect("it opens");
            assert!(session.query("BEGIN").await.is_err());
        }
        let mut other = setup.session("control").await.expect("it opens");
        assert!(other.query("BEGIN").await.is_ok());
    });
    assert_eq!(setup.layer.struck()[0].times, 3);
}

#[test]
fn a_strike_waits_for_its_connection_and_its_message() {
    let mut strikes = once(When::BeforeSend, Fault::Fin);
    let At::Message { point, .. } = &mut strikes[0].at else {
        unreachable!()
    };
    (point.connection, point.nth) = (2, 2);
    let setup = Setup::new(strikes);
    setup.world.block_on(async {
        let mut first = setup.session("copy").await.expect("it opens");
        let mut second = setup.session("copy").await.expect("it opens");
        for session in [&mut first, &mut second] {
            assert!(session.query("BEGIN").await.is_ok());
            assert!(session.query("COMMIT").await.is_ok());
        }
        assert_eq!(setup.layer.struck()[0].times, 0);
        assert!(first.query("BEGIN").await.is_ok());
        assert!(second.query("BEGIN").await.is_err());
    });
}

#[test]
fn kill_closes_every_link_and_holds_what_still_runs() {
    let setup = Setup::new(vec![Strike {
        at: begin(When::AfterSend),
        act: Act::Kill,
    }]);
    setup.world.block_on(async {
        let mut idle = setup.session("control").await.expect("it opens");
        let mut session = setup.session("copy").await.expect("it opens");
        assert!(
            session.query("BEGIN").now_or_never().is_none(),
            "a dead process gets no answer"
        );
        assert_eq!((setup.left(0), setup.left(1)), (Some(Left::Fin), Some(Left::Fin)));
        assert_eq!(setup.layer.signals(), [Signal::Killed(setup.process.id())]);
        assert!(idle.query("SELECT 1").now_or_never().is_none());
        assert!(
            setup.session("copy").now_or_never().is_none(),
            "a dead process opens nothing"
        );
        assert!(!setup.arrived(0, "Query SELECT"));
    });
    let opened = setup.world.server(Server::Source).peers.len();
    assert_eq!(opened, 2);
}

#[test]
fn cancel_and_drop_are_signals_at_their_message() {
    for act in [Act::Cancel, Act::Drop] {
        let setup = Setup::new(vec![Strike {
            at: begin(When::AfterSend),
            act: act.clone(),
        }]);
        setup.world.block_on(async {
            let mut session = setup.session("copy").await.expect("it opens");
            match act {
                Act::Cancel => assert!(session.query("BEGIN").now_or_never().is_none()),
                _ => assert!(session.query("BEGIN").await.is_ok(), "the run goes on"),
            }
            let signal = match act {
                Act::Cancel => Signal::Cancel(setup.process.id()),
                _ => Signal::Drop,
            };
            assert_eq!(setup.layer.signals(), [signal]);
        });
    }
}

#[test]
fn connections_are_labelled_by_their_startup_packet() {
    let setup = Setup::new(Vec::new());
    setup.world.block_on(async {
        let source = setup.process.env().source;
        for name in ["leftover/m/3/copy/1", "leftover/m/3/copy/2", "psql", ""] {
            let startup = Startup {
                application_name: name.to_owned(),
                settings: Vec::new(),
            };
            let _session = source.session(&startup).await.expect("it opens");
        }
        let walsender = source.walsender(&startup("slot")).await.expect("it opens");
        drop(walsender);
        source.cancel(BackendKey { pid: 1, secret: 2 }).now_or_never();
    });
    let records = setup.layer.log().records();
    let opened = records
        .iter()
        .filter(|record| matches!(&*record.what, "Startup" | "CancelRequest"));
    let names: Vec<String> = opened
        .filter_map(|record| Some(record.actor.as_ref()?.to_string()))
        .collect();
    assert_eq!(
        names,
        [
            "run: source copy #1",
            "run: source copy #2",
            "run: source psql #1",
            "run: source unnamed #1",
            "run: source slot #1",
            "run: source cancel #1"
        ]
    );
    assert_eq!(
        setup.layer.traffic(setup.process.id(), Server::Source).opened,
        5,
        "a cancel has no session"
    );
}

#[test]
fn a_server_that_speaks_before_it_was_asked_is_logged_as_nobody() {
    let setup = Setup::new(Vec::new());
    let (world, process) = (setup.world.clone(), setup.process.id());
    let dial = FaultDial::new(world, Server::Source, process, setup.layer.clone());
    let notice = b"N\0\0\0\x05\0";
    let read = setup.world.block_on(async {
        let mut stream = dial.dial().await.expect("it opens");
        setup.world.server(Server::Source).peers[0]
            .lock()
            .expect("no panic")
            .says(notice);
        let mut read = [0; 6];
        stream.read_exact(&mut read).await.expect("it comes through");
        read
    });
    assert_eq!(read, *notice);
    let records = setup.layer.log().records();
    let said = records.iter().find(|record| record.what == "NoticeResponse");
    assert_eq!(said.expect("it is logged").actor, None);
}

#[test]
fn the_log_holds_messages_by_their_meaning_and_when() {
    let setup = Setup::new(Vec::new());
    setup.world.block_on(async {
        let mut walsender = setup
            .process
            .env()
            .source
            .walsender(&startup("slot"))
            .await
            .expect("it opens");
        setup.world.clock_sleep(Duration::from_millis(1500)).await;
        walsender.query("BEGIN").await.expect("it answers");
        let _end = walsender.close().await;
    });
    let lines: Vec<String> = setup
        .layer
        .log()
        .records()
        .iter()
        .map(ToString::to_string)
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_session_counts_while_its_client_holds_it() {
    let setup = Setup::new(Vec::new());
    setup.world.block_on(async {
        let first = setup.session("copy").await.expect("it opens");
        let second = setup.session("copy").await.expect("it opens");
        drop(first);
        let third = setup.session("copy").await.expect("it opens");
        drop((second, third));
    });
    let traffic = setup.layer.traffic(setup.process.id(), Server::Source);
    assert_eq!((traffic.open, traffic.peak, traffic.opened), (0, 2, 3));
}

#[test]
fn a_message_is_sent_or_received_by_the_side_of_its_strike() {
    assert_eq!(SIDES.map(When::way), [Way::Sent, Way::Sent, Way::Received]);
}
