"""What is known of an expression's type before it runs."""

from typing import Final

from tasks.expression import tree
from tasks.expression.functions import functions
from tasks.expression.values import type_name

BOOLEAN: Final = {"==", "!=", "===", "!==", "<", "<=", ">", ">=", "xor"}
SCALARS: Final = {"string", "int", "float", "bool", "null", "number"}


def kind(node: tree.Expr) -> str:
    """What is known of a value's type: string, int, float, bool, null, number, array, or any."""
    match node:
        case tree.Constant():
            return type_name(node.value)
        case tree.Concat():
            return "string"
        case tree.Logical() | tree.IsSet() | tree.Empty() | tree.Unary(operator="!"):
            return "bool"
        case tree.Binary(operator=operator):
            return "bool" if operator in BOOLEAN else "int" if operator == "<=>" else "any"
        case tree.Cast():
            return node.type
        case tree.ArrayLiteral():
            return "array"
        case tree.Call():
            returns = functions()[node.name].returns
            return returns if returns in SCALARS | {"array"} else "any"
        case tree.Ternary() if node.then is not None and kind(node.then) == kind(node.otherwise):
            return kind(node.otherwise)
        case _:
            return "any"
