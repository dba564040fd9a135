//! Who can reach what.

use super::Analysis;
use super::describe::{Area, Describer};
use super::diff::{Side, both};
use super::judge::{Hunt, hunt, pieces};
use super::space::{Space, Vocabulary};
use super::translate::{Region, Translator};
use super::witness::Witness;
use crate::Answer;
use crate::model::{Conditions, Model, RuleId, Stage, Verdict};
use crate::oracle;
use std::sync::Arc;

/// What of a question a policy lets through.
#[derive(Clone, Debug)]
pub struct Reachable {
    /// By rule, in source order; the default last.
    pub passes: Vec<Passed>,
    /// Whether there is certainly nothing else.
    pub complete: bool,
}

/// Requests of the question that one rule lets through.
#[derive(Clone, Debug)]
pub struct Passed {
    /// The rule; `None`: the default.
    pub rule: Option<RuleId>,
    /// The requests, less what blocks take away.
    pub area: Area,
    /// One of them.
    pub witness: Witness,
}

/// Of the requests that fit conditions, those that are passed at both stages; with methods that the
/// policy lists.
pub fn can_reach(model: &Model, question: &Conditions) -> Reachable {
    let mut vocabulary = Vocabulary::default();
    vocabulary.model(model);
    vocabulary.conditions(question);
    let space = Arc::new(Space::new(vocabulary));
    let analysis = Analysis::within(space.clone(), model);
    let asked = Translator::new(&space, model).stand_alone(question, &[]);
    let offered = Region { cubes: vec![analysis.offered.clone()], except: Vec::new() };
    let asked = both(&asked.1.unwrap_or(asked.0), &offered, &space);
    let describer = Describer::new(&space, &[model]);
    let mut answer = Reachable { passes: Vec::new(), complete: true };
    for rank in analysis.socks.blocks..analysis.socks.rules.len() {
        match analysis.passed_by(rank, &asked, &describer) {
            Ok(passed) => answer.passes.extend(passed),
            Err(Unsure) => answer.complete = false,
        }
    }
    answer.passes.sort_by_key(|passed| (passed.rule.is_none(), passed.rule));
    answer
}

/// The budget ran out.
struct Unsure;

impl Analysis<'_> {
    fn passed_by(
        &self,
        rank: usize,
        asked: &Region,
        describer: &Describer,
    ) -> Result<Option<Passed>, Unsure> {
        let judge = &self.socks;
        let Some(rule) = judge.rules.get(rank) else { return Ok(None) };
        let region = both(asked, rule.may(), &self.space);
        let start = pieces(&region, &self.space).and_then(|start| self.admitted(&start)).ok_or(Unsure)?;
        let default = rule.id.is_none();
        // The default passes what no rule has; a rule passes what no block has.
        let below = if default { rank } else { judge.blocks };
        let cover =
            |point: &super::cube::Point| self.turned_away(point).or_else(|| judge.cover(point, below));
        let point = match hunt(start, &self.space.bounds, cover) {
            Hunt::Nothing(_) => return Ok(None),
            Hunt::Undecided => return Err(Unsure),
            Hunt::Found(point) => point,
        };
        let witness = self.space.play(self.model, &point, Stage::Socks).ok_or(Unsure)?;
        let admitted =
            oracle::admit(self.model, &witness.sample(self.model).client()).answer() == Answer::Pass;
        if witness.verdict != Verdict::Pass || !admitted {
            return Err(Unsure);
        }
        let mut area = describer.area(&region, Some(asked));
        let mut less: Vec<RuleId> = Vec::new();
        for cube in &region.cubes {
            for (stage, bound) in [(&self.client, self.client.blocks), (judge, below)] {
                let met = stage.meeting(cube, &self.space.bounds).into_iter().filter(|&other| other < bound);
                less.extend(met.filter_map(|other| stage.id(other)));
            }
        }
        less.sort_unstable();
        less.dedup();
        area.less = less.into_iter().map(|id| (Side::New, id)).collect();
        Ok(Some(Passed { rule: rule.id, area, witness }))
    }
}
