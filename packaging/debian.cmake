# The Debian package, `cpack -G DEB`: what is installed, under /usr, and what Debian's policy wants to be otherwise. Included when CMake
# configures, and run by cpack on the staged tree before it is packed.
if(NOT CPACK_TEMPORARY_INSTALL_DIRECTORY)
  set(CPACK_PACKAGE_NAME ${PROJECT_NAME})
  set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
  set(CPACK_PACKAGE_CONTACT "fgconv maintainers <fgconv@packages.invalid>" CACHE STRING "Who makes the packages: Name <address>")
  set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "converts language-model checkpoints and proves the result")
  set(CPACK_PACKAGE_DESCRIPTION "Converts checkpoints between Hugging Face, Forgather and Fast-LLM, in any
direction, on any number of processes. Both models then run on the same
tokens, and the new directory appears only if their logits are equal.")
  set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
  set(CPACK_STRIP_FILES ON)
  set(CPACK_VERBATIM_VARIABLES ON)
  set(CPACK_GENERATOR DEB)
  set(CPACK_DEBIAN_PACKAGE_SECTION science)
  set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
  set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON) # dpkg-shlibdeps finds the libraries
  set(CPACK_DEBIAN_PACKAGE_DEPENDS openmpi-bin) # mpirun, for --ranks
  set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
  set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_FILE})
  include(CPack)
  return()
endif()

find_program(SHLIBDEPS dpkg-shlibdeps)
if(NOT SHLIBDEPS) # without it the package would depend on no library
  message(FATAL_ERROR "there is no dpkg-shlibdeps (Debian: apt-get install dpkg-dev)")
endif()
set(share ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/share)
set(doc ${share}/doc/fgconv)
function(compress) # each file becomes FILE.gz
  execute_process(COMMAND gzip -9n ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(RENAME ${share}/zsh/site-functions ${share}/zsh/vendor-completions) # where Debian's zsh looks
file(RENAME ${doc}/CHANGELOG.md ${doc}/changelog)
file(STRINGS ${doc}/changelog released REGEX "^## ${CPACK_PACKAGE_VERSION} ")
string(REGEX MATCH "[0-9]+-[0-9]+-[0-9]+" released "${released}")
if(NOT released) # not yet
  string(TIMESTAMP released %Y-%m-%d UTC)
endif()
execute_process(COMMAND date --utc --rfc-email --date ${released} OUTPUT_VARIABLE released OUTPUT_STRIP_TRAILING_WHITESPACE
  COMMAND_ERROR_IS_FATAL ANY)
file(WRITE ${doc}/changelog.Debian "fgconv (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) bookworm; urgency=medium

  * What has changed is in changelog.gz.

 -- ${CPACK_PACKAGE_CONTACT}  ${released}
")
string(REGEX MATCH "20[0-9][0-9]" year "${released}")
file(WRITE ${doc}/copyright "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: fgconv

Files: *
Copyright: ${year} the authors of fgconv
License: Apache-2.0
 On Debian systems the whole text of this license is in
 /usr/share/common-licenses/Apache-2.0.
")
file(GLOB manuals ${share}/man/man1/*.1)
compress(${doc}/changelog ${doc}/changelog.Debian ${manuals})
file(REMOVE ${doc}/LICENSE)
# whatever the umask was
file(CHMOD ${doc}/copyright ${doc}/changelog.Debian.gz FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
file(CHMOD_RECURSE ${CPACK_TEMPORARY_INSTALL_DIRECTORY} DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
