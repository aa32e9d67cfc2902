"""A hierarchy of concepts above a set of classes, and the classes' partition into supersets: pure functions."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

MODES = ("paper", "wordnet")


@dataclass(frozen=True)
class Taxonomy:
    """classes in index order; parents and names of every node, classes and roots included. No node is above itself."""

    classes: tuple[str, ...]
    parents: Mapping[str, tuple[str, ...]]
    names: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def roots(self) -> tuple[str, ...]:
        return tuple(sorted(node for node, parents in self.parents.items() if not parents))

    @cached_property
    def children(self) -> Mapping[str, tuple[str, ...]]:
        """Children of every node in sorted order."""
        below: dict[str, list[str]] = {node: [] for node in self.parents}
        for node in sorted(self.parents):
            for parent in dict.fromkeys(self.parents[node]):
                below[parent].append(node)
        return {node: tuple(nodes) for node, nodes in below.items()}

    @cached_property
    def num_edges(self) -> int:
        return sum(len(parents) for parents in self.parents.values())

    @cached_property
    def _leaves(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {node: [] for node in self.parents}
        for leaf in self.classes:
            for node in (leaf, *self.ancestors(leaf)):
                found[node].append(leaf)
        return {node: tuple(leaves) for node, leaves in found.items()}

    def leaves(self, node: str) -> tuple[str, ...]:
        """The classes at or below a node, in index order; none for a node that is not above any class."""
        return self._leaves.get(node, ())

    def ancestors(self, node: str) -> set[str]:
        """All nodes above a node, itself excluded."""
        above: set[str] = set()
        waiting = [*self.parents[node]]
        while waiting:
            current = waiting.pop()
            if current not in above:
                above.add(current)
                waiting.extend(self.parents[current])
        return above

    def name(self, node: str) -> str:
        return self.names.get(node, node)


@dataclass(frozen=True)
class Superset:
    """A homogeneous node and the classes at or below it, in index order."""

    wnid: str
    name: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Supersets:
    """The partition of the classes.

    outermost: the non-singleton supersets, in breadth-first order; `nested`: homogeneous nodes below one of them, which
    add nothing to the partition.
    """

    mode: str
    classes: tuple[str, ...]
    outermost: tuple[Superset, ...]
    nested: tuple[Superset, ...] = ()

    @cached_property
    def node_of(self) -> Mapping[str, Superset]:
        """Class to its non-singleton superset; a class without one is not in it."""
        return {wnid: superset for superset in self.outermost for wnid in superset.classes}

    def __getitem__(self, wnid: str) -> tuple[str, ...]:
        """All classes of the superset of class `wnid`, itself included."""
        if wnid in self.node_of:
            return self.node_of[wnid].classes
        if wnid not in self.classes:
            raise KeyError(wnid)
        return (wnid,)

    def as_dict(self) -> dict[str, tuple[str, ...]]:
        return {wnid: self[wnid] for wnid in self.classes}

    @property
    def num_covered(self) -> int:
        """Classes in a non-singleton superset."""
        return len(self.node_of)

    @property
    def num_singletons(self) -> int:
        return len(self.classes) - self.num_covered

    @property
    def num_supersets(self) -> int:
        """Parts of the partition."""
        return len(self.outermost) + self.num_singletons

    @property
    def num_distinct(self) -> int:
        """As `num_supersets`, with the nested nodes counted as well, as Table A does."""
        return self.num_supersets + len(self.nested)


def breadth_first(taxonomy: Taxonomy, hom: Collection[str] = ()) -> Iterator[tuple[str, int]]:
    """Nodes and their depths from the roots down, each once; nothing below a node of `hom` is visited by way of it."""
    waiting = deque((root, 0) for root in taxonomy.roots)
    seen = set(taxonomy.roots)
    while waiting:
        node, depth = waiting.popleft()
        yield node, depth
        if node in hom:
            continue
        for child in taxonomy.children[node]:
            if child not in seen:
                seen.add(child)
                waiting.append((child, depth + 1))


def partition(taxonomy: Taxonomy, hom: Sequence[str], mode: str = "paper") -> Supersets:
    """Supersets by the outermost homogeneous nodes (CALM, supplement section F); the other classes stand alone.

    Where a node has several parents, a walk can reach a homogeneous node past another one that is above it; it is not
    outermost all the same. A class below two outermost nodes goes to the one that comes first in `hom`.
    """
    marked = set(hom)
    reached = [node for node, _ in breadth_first(taxonomy, marked) if node in marked]
    outermost = [node for node in reached if not marked & taxonomy.ancestors(node)]
    owner: dict[str, str] = {}
    for node in sorted(outermost, key=list(hom).index):
        for leaf in taxonomy.leaves(node):
            owner.setdefault(leaf, node)
    kept = [
        Superset(node, taxonomy.name(node), tuple(leaf for leaf in taxonomy.leaves(node) if owner[leaf] == node))
        for node in outermost
    ]
    return Supersets(
        mode=mode,
        classes=taxonomy.classes,
        outermost=tuple(superset for superset in kept if len(superset.classes) > 1),
        nested=tuple(
            Superset(node, taxonomy.name(node), taxonomy.leaves(node))
            for node in hom
            if node not in outermost and len(taxonomy.leaves(node)) > 1
        ),
    )


def genealogy(taxonomy: Taxonomy, wnid: str) -> tuple[str, ...]:
    """Nodes from the root down to a class, itself included, by the first parent of each."""
    line = [wnid]
    while taxonomy.parents[line[-1]]:
        line.append(taxonomy.parents[line[-1]][0])
    return tuple(reversed(line))
