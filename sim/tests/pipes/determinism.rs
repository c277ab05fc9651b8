//! The same seed is the same run, in whatever thread and after whatever else.

use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;
use std::time::Duration;

use leftover_harness::world::{Link, Silence};
use leftover_sim::net::{Network, PipeOptions};
use leftover_sim::runtime::{Handle, Simulation};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{seconds, within};

/// Eight clients of one echo server; a third of them fall silent. Everything that is seen, with its time.
fn trace(seed: u64) -> String {
    let log = Rc::new(RefCell::new(String::new()));
    let seen = Rc::clone(&log);
    Simulation::new(seed)
        .run(|sim| async move {
            let chooser = sim.chooser();
            let network = Network::new(&sim, &chooser.fork("network"), PipeOptions::default());
            let (listener, dialer) = network.listen("echo");
            sim.spawn(echo(sim.clone(), listener));
            for number in 0..8 {
                let (dialer, timer, seen) = (dialer.clone(), sim.timer(), Rc::clone(&seen));
                let chooser = chooser.fork(&format!("client {number}"));
                sim.spawn(async move {
                    let mut link = dialer.dial().await.unwrap();
                    for round in 0..10 {
                        timer.sleep(chooser.duration(Duration::ZERO..seconds(1))).await;
                        if chooser.chance(1, 30) {
                            link.silence(Silence::ToServer).unwrap();
                        }
                        link.write_all(&[round]).await.unwrap();
                        let answer = within(&timer, seconds(1), link.read_exact(&mut [0])).await;
                        let heard = answer.is_some();
                        writeln!(seen.borrow_mut(), "{:?} {number} {round} {heard}", timer.now()).unwrap();
                    }
                });
            }
            sim.timer().sleep(seconds(60)).await;
        })
        .unwrap();
    log.take()
}

async fn echo(sim: Handle, listener: leftover_sim::net::Listener) {
    loop {
        let mut end = listener.accept().await;
        sim.spawn(async move {
            let mut byte = [0];
            while end.read_exact(&mut byte).await.is_ok() {
                let _ = end.write_all(&byte).await;
            }
        });
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_again_and_in_another_thread() {
    let first = trace(42);
    assert_eq!(first.lines().count(), 80);
    assert!(first.contains("false"), "some fall silent: {first}");
    trace(7);
    assert_eq!(trace(42), first);
    assert_eq!(std::thread::spawn(|| trace(42)).join().unwrap(), first);
}

#[test]
fn another_seed_gives_another_trace() {
    assert_ne!(trace(42), trace(43));
}

#[test]
fn a_run_in_which_nothing_can_happen_any_more_says_so_and_names_its_seed() {
    let stuck = Simulation::new(1234)
        .run(|_| std::future::pending::<()>())
        .unwrap_err();
    insta::assert_snapshot!(stuck, @"seed 1234: nothing ended this run in 86400s of virtual time; everything in it waits for ever");
}

#[test]
fn tasks_that_are_left_are_dropped_when_the_run_ends() {
    struct Flag(Rc<RefCell<u32>>);
    impl Drop for Flag {
        fn drop(&mut self) {
            *self.0.borrow_mut() += 1;
        }
    }
    let dropped = Rc::new(RefCell::new(0));
    let (waiting, unpolled) = (Flag(Rc::clone(&dropped)), Flag(Rc::clone(&dropped)));
    Simulation::new(1)
        .run(|sim| async move {
            sim.spawn(async move {
                let _waiting = waiting;
                std::future::pending::<()>().await;
            });
            sim.timer().sleep(seconds(1)).await;
            sim.spawn(async move {
                let _unpolled = unpolled;
                std::future::pending::<()>().await;
            });
        })
        .unwrap();
    assert_eq!(*dropped.borrow(), 2);
}
