"""What an error that a reader's function raised usually means, in a sentence beside torch's own words."""
from __future__ import annotations

USUALLY = (
    ("Boolean value of Tensor with more than one value", "`and`, `or`, `if` and a < x < b ask for one truth: join "
     "masks with & and |, and let torch.where choose"),
    ("only one element tensors", "functions of math and float() take one number; torch has the same for tensors"),
    ("does not require grad", "the gradient was cut off before: look for no_grad, .detach(), .item() and numpy"),
    ("requires grad", "numpy cannot follow a gradient; use torch's own functions"),
    ("has no attribute 'backward'", "a number has no gradient: call .item() last"),
    ("'tuple' object has no attribute", "a function that you call returns several values: take them apart first"),
    ("255 is out of bounds", "a number that is no index, such as 255 for no label, was used as one"),
    ("is out of bounds", "an index, counted from 0, lies beyond the end of its axis; of one tensor, such as the depth "
     "that disp_to_depth returns, [1] is the second image"),
    ("values to unpack", "more or fewer things came than you take apart: disp_to_depth returns one tensor, depth, and "
     "the shape of a tensor has one number for each axis"),
    ("through the graph a second time", "backward went down one graph twice, as it does inside a loop: add up first, "
     "then go back once"),
    ("modified by an inplace operation", "a step, or an assignment in place, changed what backward still needs"),
    ("bitwise_", "& and | bind more tightly than a comparison: put brackets around each comparison"),
    ("with a bool tensor is not supported", "a mask is turned around with ~, and joined with & and |"),
    ("operator.invert", "only a mask of True and False can be turned around with ~"),
    ("used as indices", "a mask picks out only as True and False: .bool() makes it so"),
    ("must be Tensor, not", "torch's functions take tensors; for a plain number there is math"),
    ("is not defined", "an import or the line that makes it is missing, or it has another name"),
    ("positional argument", "a function got more or fewer arguments than it takes; yours takes those of the stub"),
    ("expected scalar type", "two types of numbers met: bring one to the other with .to() or .float()"),
    ("object is not callable", "something that is no function was called, or a function was to be returned"),
    ("ZeroDivisionError", "// of whole numbers cannot divide by zero; / can, and gives nan or infinity"),
    ("'NoneType'", "a function that you use returned nothing"),
    ("dtype", "two types of numbers met: bring one to the other with .to() or .float()"),
    ("Dimension out of range", "this tensor has fewer axes than you think: print its shape"),
)
CLASHES = ("must match the size of tensor", "first two dimensions of batch2", "does not broadcast",
           "cannot be multiplied", "is invalid for input of size", "expected grid to have size", "shape mismatch",
           "must be batches of square", "could not be broadcast", "mismatch, operand",
           "doesn't match the broadcast shape", "does not match the shape of the indexed tensor")
CLASH = ("two shapes do not fit: print both; [..., None] or keepdim=True adds an axis, and einsum says by name which "
         "axes meet")


def meaning(error: Exception) -> str:
    """Return what an error usually means; empty if that is not known."""
    words = str(error)
    if any(part in words for part in CLASHES):
        return CLASH
    return next((says for part, says in USUALLY if part in words), "")


def first_line(error: Exception) -> str:
    """Return the first line of an error's words, without its full stop."""
    return (str(error).splitlines() or [""])[0].rstrip(".")
