"""Plans: a document is compiled once into SQL for its root fields and code that shapes what comes of it.

`compiler` begins: `choices` picks what a selection asks for, `inputs` and `arguments` read variables, `queries`,
`results` and `live` compile the root fields of queries, of mutations and of subscriptions. They share `objects`, which
writes the code of shapes from what the types declare (`schema.reads`, `schema.roots`): `sources` says where columns
come from, `statements` writes the SQL that brings them, `shapes` makes functions of the code. `plan` runs it all.

What is not declared, and variables that do not fit, go to the executor: the two give the same answers, and a property
test holds them to it.
"""

from schema.plans.compiler import Compiler
from schema.plans.inputs import compile_variables
from schema.plans.live import LivePlan, LiveTemplate
from schema.plans.plan import Plan
from schema.plans.sources import Uncovered

__all__ = ["Compiler", "LivePlan", "LiveTemplate", "Plan", "Uncovered", "compile_variables"]
