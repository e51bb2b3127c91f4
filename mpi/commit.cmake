# cmake -D SOURCE=DIR -D OUTPUT=FILE -P commit.cmake: the header OUTPUT gets FG_COMMIT, what git calls the commit of SOURCE, and stays as it is
# where that has not changed. "": SOURCE is no checkout, such as an unpacked archive, which may lie in a checkout of something else.
find_program(GIT git)
function(ask result) # git's answer; "": none
  execute_process(COMMAND ${GIT} --no-optional-locks -C ${SOURCE} ${ARGN} OUTPUT_VARIABLE answer OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  set(${result} "${answer}" PARENT_SCOPE)
endfunction()

set(commit "")
if(GIT)
  ask(top rev-parse --show-toplevel)
  file(REAL_PATH ${SOURCE} source)
  if(top STREQUAL source)
    ask(commit describe --tags --always)
    ask(changes status --porcelain --untracked-files=no)
  endif()
endif()
if(commit AND changes)
  string(APPEND commit "-dirty")
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#define FG_COMMIT \"${commit}\"\n")
