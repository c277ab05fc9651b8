//! Cleaning up, server by server: each on its own connection, so that one that cannot be reached does not
//! keep the other from being cleaned. What could not be verified is named.

use std::sync::Arc;
use std::time::Duration;

use crate::client::{Client, Context, bounded, failed};
use crate::connection::Connector;
use crate::error::ConnectionError;
use crate::failure::{Failure, Side};
use crate::janitor;
use crate::names::{Attempt, Role, SessionName};
use crate::owner;
use crate::reclaim;
use crate::record::Record;
use crate::report::{Cleaned, Located, MayBeLeft, State, Thing};

/// Pause before a lock that a terminated session had is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// How often it is tried.
const LOCK_TRIES: u32 = 25;
/// Pause before looking again for a session that is on its way out.
const SOON: Duration = Duration::from_millis(10);

/// Removes the sessions of `attempt` from both servers, and its slot unless the target may already say that
/// the load is complete.
pub(crate) async fn after_attempt<C: Connector>(
    context: &Arc<Context<C>>,
    attempt: Attempt,
    keep_slot: bool,
) -> Cleaned {
    let mut cleaned = Cleaned::default();
    let of_attempt =
        move |name: &SessionName| name.attempt == attempt && !matches!(name.role, Role::Drop | Role::Status);
    let bound = context.settings.bounds.cleanup;
    let source = async |removed: &mut Vec<Located>| {
        let mut control = context
            .connect(Side::Source, context.session_name(attempt, Role::Janitor))
            .await?;
        reclaim::end_sessions(&mut control, of_attempt, removed).await?;
        if !keep_slot {
            reclaim::drop_slots(&mut control, |of| of == attempt, removed).await?;
        }
        janitor::release(context, control).await
    };
    let result = within(context, Side::Source, bound, source(&mut cleaned.removed)).await;
    if let Err(because) = result {
        let things = vec![
            Thing::Session(sessions_of(context)),
            Thing::Slot(context.name.object(attempt)),
        ];
        cleaned.may_be_left.push(MayBeLeft {
            side: Side::Source,
            things,
            because,
        });
    }
    let target = async |removed: &mut Vec<Located>| {
        let mut client = context
            .connect(Side::Target, context.session_name(attempt, Role::Janitor))
            .await?;
        reclaim::end_sessions(&mut client, of_attempt, removed).await?;
        janitor::release(context, client).await
    };
    let result = within(context, Side::Target, bound, target(&mut cleaned.removed)).await;
    if let Err(because) = result {
        let things = vec![Thing::Session(sessions_of(context))];
        cleaned.may_be_left.push(MayBeLeft {
            side: Side::Target,
            things,
            because,
        });
    }
    cleaned
}

/// Waits until the sessions that this process has given up are gone from both servers. It ends none of them:
/// somebody else may own the mirror by now, with sessions of the same names. Their sockets are closed, and they
/// are idle or have been terminated by whoever dropped the mirror. Returns where it did not see them go.
pub(crate) async fn see_out<C: Connector>(
    context: &Arc<Context<C>>,
    attempt: Option<Attempt>,
) -> Vec<MayBeLeft> {
    let mut may_be_left = Vec::new();
    let known = [Attempt::default(), attempt.unwrap_or_default()];
    let bound = context.settings.bounds.close;
    for side in [Side::Source, Side::Target] {
        let janitor = context.session_name(known[1], Role::Janitor);
        let before = janitor.number;
        let given_up = |name: &SessionName| {
            known.contains(&name.attempt)
                && name.number < before
                && !matches!(name.role, Role::Drop | Role::Status)
        };
        let gone = async {
            let mut client = context.connect(side, janitor).await?;
            while !reclaim::sessions(&mut client, given_up).await?.is_empty() {
                context.clock.sleep(SOON).await;
            }
            janitor::release(context, client).await
        };
        if let Err(because) = within(context, side, bound, gone).await {
            let things = vec![Thing::Session(sessions_of(context))];
            may_be_left.push(MayBeLeft {
                side,
                things,
                because,
            });
        }
    }
    may_be_left
}

/// What names all sessions of a mirror, for people.
fn sessions_of<C>(context: &Context<C>) -> String {
    format!("leftover/{}/…", context.name)
}

async fn within<C: Connector, T>(
    context: &Context<C>,
    side: Side,
    bound: Duration,
    cleaning: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let step = "cleaning up";
    // In a box, because each caller's future would otherwise hold it once for each call in between.
    let cleaning = Box::pin(cleaning);
    let cleaning = async { Ok::<_, ConnectionError>(cleaning.await) };
    match bounded(&context.clock, "the cleaning of a server", bound, cleaning).await {
        Ok(result) => result,
        Err(error) => Err(failed(side, step, error)),
    }
}

/// Drops the mirror: ends whoever runs it, and removes everything of it from both servers.
pub(crate) async fn drop_mirror<C: Connector>(context: &Arc<Context<C>>) -> Cleaned {
    let mut removed = Vec::new();
    let bound = context.settings.bounds.drop;
    let source = drop_on_source(context, &mut removed);
    let source = within(context, Side::Source, bound, source).await;
    // The record stays until the source is clean: it knows the names.
    let target = drop_on_target(context, source.is_ok(), &mut removed);
    let target = within(context, Side::Target, bound, target).await;
    // The mirror is owned until the target is clean too. A run that began before that would lose its record to us,
    // and take that for a drop which has removed everything else of it.
    let (source, left) = match source {
        Ok(owner) => {
            let leaving = give_up_ownership(context, owner, &mut removed);
            let left = within(context, Side::Source, bound, leaving).await;
            (Ok(()), left)
        }
        Err(because) => (Err(because), Ok(())),
    };
    let mut may_be_left = Vec::new();
    let remaining = target.as_ref().ok().copied().flatten();
    if let Err(because) = source {
        let object = remaining.map(|attempt| context.name.object(attempt));
        let object = object.unwrap_or_else(|| format!("leftover_{}_…", context.name));
        let things = vec![
            Thing::Session(sessions_of(context)),
            Thing::Slot(object.clone()),
            Thing::Publication(object),
        ];
        may_be_left.push(MayBeLeft {
            side: Side::Source,
            things,
            because,
        });
    }
    if let Err(because) = left {
        may_be_left.push(MayBeLeft {
            side: Side::Source,
            things: vec![Thing::Session(sessions_of(context))],
            because,
        });
    }
    let record = Thing::Record(context.name.schema());
    let on_target = match target {
        Err(because) => Some((vec![Thing::Session(sessions_of(context)), record], because)),
        // It had to stay, because of the source.
        Ok(Some(_)) => may_be_left
            .first()
            .map(|source| (vec![record], source.because.clone())),
        Ok(None) => None,
    };
    if let Some((things, because)) = on_target {
        may_be_left.push(MayBeLeft {
            side: Side::Target,
            things,
            because,
        });
    }
    Cleaned { removed, may_be_left }
}

/// Returns the session that owns the mirror from then on.
async fn drop_on_source<C: Connector>(
    context: &Arc<Context<C>>,
    removed: &mut Vec<Located>,
) -> Result<Client<C>, Failure> {
    let name = context.session_name(Attempt::default(), Role::Drop);
    let mut client = context.connect(Side::Source, name).await?;
    own_both_locks(context, &mut client, removed).await?;
    reclaim::drop_slots(&mut client, |_| true, removed).await?;
    reclaim::drop_publications(&mut client, |_| true, removed).await?;
    Ok(client)
}

async fn give_up_ownership<C: Connector>(
    context: &Arc<Context<C>>,
    mut client: Client<C>,
    removed: &mut Vec<Located>,
) -> Result<(), Failure> {
    // A session that came up while we looked for the others has found no publication, and is on its way out.
    reclaim::end_sessions(&mut client, is_not_a_drop, removed).await?;
    janitor::release(context, client).await
}

fn is_not_a_drop(name: &SessionName) -> bool {
    name.role != Role::Drop
}

/// Ends every session of the mirror until both locks are ours: from then on nobody can create anything.
async fn own_both_locks<C: Connector>(
    context: &Context<C>,
    client: &mut Client<C>,
    removed: &mut Vec<Located>,
) -> Result<(), Failure> {
    for _ in 0..LOCK_TRIES {
        reclaim::end_sessions(client, is_not_a_drop, removed).await?;
        if owner::try_both(client).await? {
            return Ok(());
        }
        context.clock.sleep(RETRY).await;
    }
    let error = ConnectionError::TimedOut {
        wait: "the owner's locks",
        bound: RETRY * LOCK_TRIES,
    };
    Err(failed(Side::Source, "taking the owner's locks", error))
}

/// Returns the newest attempt of a record that had to stay.
async fn drop_on_target<C: Connector>(
    context: &Arc<Context<C>>,
    remove_record: bool,
    removed: &mut Vec<Located>,
) -> Result<Option<Attempt>, Failure> {
    let name = context.session_name(Attempt::default(), Role::Drop);
    let mut client = context.connect(Side::Target, name).await?;
    reclaim::end_sessions(&mut client, is_not_a_drop, removed).await?;
    let record = Record::of(&context.name);
    let mut remaining = None;
    if remove_record {
        if record.remove(&mut client).await? {
            let thing = Thing::Record(context.name.schema());
            removed.push(Located {
                side: Side::Target,
                thing,
            });
        }
        // A writer that came up meanwhile has found no record, and is on its way out.
        reclaim::end_sessions(&mut client, is_not_a_drop, removed).await?;
    } else {
        remaining = record.newest(&mut client).await?.map(|(attempt, _)| attempt);
    }
    janitor::release(context, client).await?;
    Ok(remaining)
}

/// Removes what dead attempts have left and keeps a finished load's slot and publication. The caller owns
/// nothing yet; a mirror that is running is left alone.
pub(crate) async fn sweep<C: Connector>(
    context: &Arc<Context<C>>,
) -> Result<Cleaned, crate::load_error::LoadError> {
    let mut cleaned = Cleaned::default();
    let name = context.session_name(Attempt::default(), Role::Control);
    let mut control = context.connect(Side::Source, name).await?;
    owner::take(&mut control, &context.clock, context.settings.bounds.owner).await?;
    let name = context.session_name(Attempt::default(), Role::Record);
    let mut keeper = context.connect(Side::Target, name).await?;
    reclaim::end_sessions(&mut control, owner::is_dead, &mut cleaned.removed).await?;
    // Before the record is read: a dead writer may still commit.
    reclaim::end_sessions(&mut keeper, owner::is_dead, &mut cleaned.removed).await?;
    let keep = match Record::of(&context.name).newest(&mut keeper).await? {
        Some((attempt, State::Loaded(_))) => Some(attempt),
        _ => None,
    };
    reclaim::drop_slots(&mut control, |of| Some(of) != keep, &mut cleaned.removed).await?;
    reclaim::drop_publications(&mut control, |of| Some(of) != keep, &mut cleaned.removed).await?;
    janitor::release(context, keeper).await?;
    janitor::release(context, control).await?;
    Ok(cleaned)
}
