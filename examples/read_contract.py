"""Print what a model file says about itself, its contract: `python examples/read_contract.py [MODEL.tflite]`."""

import sys

from edge.model import SHIPPED, File

model = File(sys.argv[1] if len(sys.argv) > 1 else SHIPPED)
contract = model.contract

print("network     ", contract.network)
print("labels      ", ", ".join(contract.labels))
print("input       ", f"uint8 RGB {contract.input.size} x {contract.input.size}")
print("quantization", contract.quantization.kind)
if contract.decision and contract.decision.risks:
    print("stated risks", ", ".join(contract.decision.risks))

right, count = model.verify()
print("samples     ", f"{right} of {count} are answered as expected on this machine")
