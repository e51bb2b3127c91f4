# SPDX-License-Identifier: Apache-2.0
#
# Builds the main branch of the checkout that this file is in, with Spack 1.0 or later:
#
#     spack repo add packaging/spack/spack_repo/fgconv
#     spack install fgconv

import pathlib

from spack_repo.builtin.build_systems.cmake import CMakePackage, generator

from spack.package import *


class Fgconv(CMakePackage):
    """Converts language-model checkpoints between Hugging Face, Forgather and
    Fast-LLM, on any number of processes, and proves the result: both models run
    on the same tokens, and their logits must be equal."""

    git = pathlib.Path(__file__).resolve().parents[6].as_uri()

    license("Apache-2.0")

    version("main", branch="main")

    variant("cuda", default=False, description="Build the module for --device cuda")

    generator("ninja")

    depends_on("c", type="build")
    depends_on("cmake@3.22:", type="build")
    depends_on("pkgconfig", type="build")

    depends_on("mpi")
    depends_on("hdf5@1.10:+mpi")
    depends_on("jansson@2.13:")
    depends_on("libyaml")
    depends_on("openblas")
    depends_on("pcre2")
    depends_on("utf8proc")
    depends_on("xxhash")
    depends_on("cuda@13.0", type="build", when="+cuda")

    sanity_check_is_file = [
        join_path("bin", "fgconv"),
        join_path("share", "fgconv", "converters", "forgather", "common.json"),
    ]

    def cmake_args(self):
        args = [self.define_from_variant("FGCONV_CUDA", "cuda")]
        if self.spec.satisfies("+cuda"):
            args.append(self.define("FGCONV_CUDA_TOOLKIT", self.spec["cuda"].prefix))
        return args
