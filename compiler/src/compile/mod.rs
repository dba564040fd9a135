//! A model to a policy that decides: literals to classes, rules to boxes, boxes to trees.
//!
//! There is one tree for each state of knowledge, so that what is not known is settled here: a
//! request with an address; one by a name that is not resolved; one whose target comes later; a
//! client, with and without a name to come; and the client stage.

mod bounds;
mod cost;
mod items;
mod literals;
mod part;
mod pivot;
mod region;

pub(crate) use bounds::{excess, too_many_patterns};
pub(crate) use items::Ranks;

use crate::model::{Model, RuleId, Stage};
use crate::tree::sets::SetPool;
use crate::tree::space::Space;
use crate::tree::walk::{Forest, Tree};
use items::{Layout, items};
use literals::Index;
use pivot::Grower;
use region::{Known, Regions};

/// A tree with what is said of it.
#[derive(Debug)]
pub(crate) struct Grown {
    pub(crate) tree: Tree,
    pub(crate) depth: u32,
    /// Checks on the worst path.
    pub(crate) worst: usize,
    /// The rules of its largest leaf.
    pub(crate) crowd: Vec<RuleId>,
}

/// All that a policy decides with.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) space: Space,
    pub(crate) forest: Forest,
    pub(crate) socks: Ranks,
    pub(crate) client: Ranks,
    /// The client stage.
    pub(crate) admit: Grown,
    /// Requests with an address.
    pub(crate) whole: Grown,
    /// Requests by a name that is not resolved.
    pub(crate) by_name: Grown,
    /// Requests whose target comes later.
    pub(crate) before_target: Grown,
    /// Clients that will have a name.
    pub(crate) offer: Grown,
    /// Clients that will have none.
    pub(crate) nameless: Grown,
}

struct Compiler<'a> {
    model: &'a Model,
    space: Space,
    index: Index,
    pool: SetPool,
    layout: Layout,
    forest: Forest,
}

/// Compiles a model.
pub(crate) fn compile(model: &Model) -> Compiled {
    let (space, index) = literals::space(model);
    let pool = SetPool::new();
    let mut compiler =
        Compiler { model, space, index, pool, layout: Layout::default(), forest: Forest::default() };
    let (socks, client) = (Ranks::new(model, Stage::Socks), Ranks::new(model, Stage::Client));
    let whole = compiler.grow(&socks, Known::ALL);
    let by_name = compiler.grow(&socks, Known::NO_ADDRESS);
    let before_target = compiler.grow(&socks, Known::NO_TARGET);
    let offer = compiler.grow(&socks, Known::CLIENT);
    let nameless = compiler.grow(&socks, Known::NAMELESS);
    let admit = compiler.grow(&client, Known::CLIENT);
    let Compiler { mut space, pool, mut forest, .. } = compiler;
    space.sets = pool.finish();
    forest.settle();
    Compiled { space, forest, socks, client, admit, whole, by_name, before_target, offer, nameless }
}

impl Compiler<'_> {
    fn grow(&mut self, ranks: &Ranks, known: Known) -> Grown {
        let mut regions = Regions::new(self.model, &mut self.index, &mut self.space, &mut self.pool, known);
        let items = items(&mut regions, ranks, &mut self.layout, &mut self.forest);
        let mut grower = Grower::new(&items, &self.pool, &mut self.forest);
        let branch = grower.grow();
        let (depth, crowd) = (grower.depth, std::mem::take(&mut grower.crowd));
        let tree = Tree { root: branch.at, blocks: ranks.blocks, last: ranks.last() };
        Grown { tree, depth, worst: branch.worst, crowd }
    }
}
