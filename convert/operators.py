"""The names of a TFLite graph's operators. This file imports no TensorFlow, so that reading a graph stays quick."""

from ai_edge_litert import schema_py_generated as schema

_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}


def operator_name(model: schema.ModelT, operator: schema.OperatorT) -> str:
    """The name of an operator, such as "CONV_2D"."""
    code = model.operatorCodes[operator.opcodeIndex]
    return _NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]
