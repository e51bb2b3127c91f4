#!/usr/bin/env python3
"""Runs a command while another process holds all but some MiB of the GPU's memory, and exits as it does.

    fill_gpu.py COMMAND...
"""
import ctypes
import subprocess
import sys

LEFT = 300 << 20  # less than a context and a model's buffers


def main():
    driver = ctypes.CDLL("libcuda.so.1")
    device, context, block = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    assert driver.cuInit(0) == 0 and driver.cuDeviceGet(ctypes.byref(device), 0) == 0
    assert driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device) == 0 and driver.cuCtxSetCurrent(context) == 0
    assert driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)) == 0
    assert driver.cuMemAlloc_v2(ctypes.byref(block), ctypes.c_size_t(free.value - LEFT)) == 0
    done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
    print(done.stderr.strip())
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
