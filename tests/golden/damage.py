"""Tensors as checkpoint.tensors() gives them, with numbers in another place: what a wrong rule that keeps shapes would write."""
import itertools
import struct


def pieces_of(data, parts):
    size = len(data) // parts
    return [data[i * size:(i + 1) * size] for i in range(parts)]


def swap(held, a, b):
    """Two tensors of one shape have each other's numbers."""
    assert held[a][:2] == held[b][:2] and held[a] != held[b], (a, b)
    held[a], held[b] = held[b], held[a]


def swap_beginnings(held, a, b):
    """The shorter tensor and as many rows of the longer one have each other's numbers."""
    (one, shape, x), (other, shape_of_other, y) = held[a], held[b]
    size = min(len(x), len(y))
    assert one == other and shape[1:] == shape_of_other[1:], (a, b)
    held[a], held[b] = (one, shape, y[:size] + x[size:]), (other, shape_of_other, x[:size] + y[size:])


def fill(held, name, value):
    dtype, shape, data = held[name]
    held[name] = dtype, shape, struct.pack("<f", value)[4 - number_size(dtype):] * (len(data) // number_size(dtype))


def number_size(dtype):
    return {"float32": 4, "bfloat16": 2}[dtype]


def rotate(held, name, parts, group=None):
    """The parts of the rows in another order: each group's first one comes last."""
    dtype, shape, data = held[name]
    pieces, group = pieces_of(data, parts), group or parts
    held[name] = dtype, shape, b"".join(b"".join(pieces[i + 1:i + group] + pieces[i:i + 1]) for i in range(0, parts, group))


def exchange(held, name, sizes, a, b):
    """Two parts of the rows, which have one size."""
    dtype, shape, data = held[name]
    ends = [len(data) // shape[0] * end for end in itertools.accumulate(sizes)]
    assert sizes[a] == sizes[b] and sum(sizes) == shape[0], (name, sizes)
    pieces = [data[begin:end] for begin, end in zip([0, *ends], ends)]
    pieces[a], pieces[b] = pieces[b], pieces[a]
    held[name] = dtype, shape, b"".join(pieces)


def reverse(held, name):
    """The numbers of each row in reverse: a convolution that runs backwards."""
    dtype, shape, data = held[name]
    numbers, row = pieces_of(data, len(data) // number_size(dtype)), shape[-1]
    held[name] = dtype, shape, b"".join(b"".join(reversed(numbers[i:i + row])) for i in range(0, len(numbers), row))
