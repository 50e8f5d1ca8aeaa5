"""Plans: a document is compiled once into one SQL statement for each root field and code that shapes its rows.

`choices` picks what a selection asks for, `statements` writes the SQL, `shapes` writes the code, `compiler` puts them
together from what the types declare (`schema.reads`, `schema.roots`), and `plan` runs it. What a plan does not cover,
and every answer that is an error, goes to the executor: the two give the same answers, and a property test holds them
to it.
"""

from schema.plans.compiler import Uncovered, compile_plan
from schema.plans.plan import Plan

__all__ = ["Plan", "Uncovered", "compile_plan"]
