//! What comes after a judged end: the next run, the last drop, and the long look that nothing comes back.

use std::time::Duration;

use crate::fault::ProcessId;
use crate::fault::plan::Then;
use crate::invariant::{End, MayStay};
use crate::judge::{Bench, Course, finding};
use crate::leftover::{Call, Leftover};
use crate::pipeline::{DropReport, Pipeline};
use crate::process::Process;
use crate::supervise::{Ended, Running};
use crate::world::{World, WorldError};

impl<W: World> Bench<'_, W> {
    /// What comes after a judged end: the next run where the plan asks for one, the last drop, and a long
    /// look.
    pub(crate) async fn aftermath(&self, course: &Course, then: Then) -> Result<Vec<Leftover>, WorldError> {
        self.layer.heal();
        if course.end(&self.layer) == End::DropOk {
            return self.lasting().await;
        }
        let closing = self.pipeline.budget().closing;
        if then == Then::RunThenDrop {
            let process = Process::start(self.world, &self.layer, "next run");
            let run = Running::new(process, self.bounds().run, |env| self.pipeline.run(env));
            let ended = run.alone(&self.layer, &self.errands).await?;
            let mut found = Vec::from_iter(finding(Call::NextRun, &ended, self.bounds().run, false));
            found.extend(self.settle(&MayStay::SlotAndPublication, closing).await?);
            found.extend(self.rows(self.pipeline).await?);
            if !found.is_empty() {
                return Ok(found);
            }
        }
        let (mut found, moment) = self.drop_at_last("last drop", self.pipeline).await?;
        let may_stay = MayStay::Nothing;
        found.extend(match moment {
            Duration::ZERO => self.settle(&may_stay, closing).await?,
            moment => self.settle_sessions(&may_stay, moment.max(closing)).await?,
        });
        if found.is_empty() {
            found = self.lasting().await?;
        }
        if let Some(beside) = self.beside {
            // A crash of a server ends it too, with or without its tables.
            if let Some(Ended::Returned(Ok(_))) = course.beside {
                found.extend(self.rows(beside).await?);
            }
            let (left, _) = self.drop_at_last("drop beside", beside).await?;
            found.extend(left);
        }
        Ok(found)
    }

    /// Drops from a process of its own. Where the plan stops that drop, what it leaves is what the end of a
    /// run may leave, and dropping again finishes the job (law 8). Answers what is wrong, and how long sessions
    /// may stay of which the drop could not know.
    async fn drop_at_last(
        &self,
        label: &str,
        pipeline: &dyn Pipeline,
    ) -> Result<(Vec<Leftover>, Duration), WorldError> {
        let strikes = || self.layer.struck().iter().map(|struck| struck.times).sum::<u32>();
        let before = strikes();
        let (found, content) = self.drop_once(label, pipeline).await?;
        let moment =
            |content: Option<_>| content.map_or(Duration::ZERO, |process| self.closed_on_the_way(process));
        if strikes() == before || content.is_some() {
            return Ok((found, moment(content)));
        }
        self.layer.heal();
        let mut found = self
            .settle(&MayStay::SlotAndPublication, self.bounds().silent)
            .await?;
        let (again, content) = self.drop_once(&format!("{label} again"), pipeline).await?;
        found.extend(again);
        Ok((found, moment(content)))
    }

    /// What is wrong with a drop, and its process when it returned and was content.
    async fn drop_once(
        &self,
        label: &str,
        pipeline: &dyn Pipeline,
    ) -> Result<(Vec<Leftover>, Option<ProcessId>), WorldError> {
        let process = Process::start(self.world, &self.layer, label);
        let id = process.id();
        let drop = Running::new(process, self.bounds().drop, |env| pipeline.drop_all(env));
        let ended = drop.alone(&self.layer, &self.errands).await?;
        let mut found = Vec::from_iter(finding(Call::LastDrop, &ended, self.bounds().drop, false));
        let Ended::Returned(Ok(DropReport { may_be_left, .. })) = ended else {
            return Ok((found, None));
        };
        if may_be_left.is_empty() {
            return Ok((found, Some(id)));
        }
        found.push(Leftover::NoPromise {
            call: Call::LastDrop,
            may_be_left,
        });
        Ok((found, None))
    }

    /// What came back after a drop that promised that nothing is left.
    async fn lasting(&self) -> Result<Vec<Leftover>, WorldError> {
        let lasting = self.bounds().lasting;
        if lasting.is_zero() {
            return Ok(Vec::new());
        }
        // Whatever still waits for a transaction of theirs gets its way all the sooner, and ten minutes of their
        // transactions would be most of the run.
        self.writers_go.ask();
        self.layer.clock().sleep(lasting).await;
        self.settle(&MayStay::Nothing, Duration::ZERO).await
    }
}
