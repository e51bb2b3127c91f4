# Manual pages and completions, which the program prints from its own tables.
set(table ${CMAKE_CURRENT_LIST_DIR}/commands/command_table.h)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${table})
file(READ ${table} commands)
string(REGEX MATCHALL "ROW\\([a-z_]+\\)" commands "${commands}")
list(TRANSFORM commands REPLACE "ROW\\(([a-z_]+)\\)" "\\1")
list(TRANSFORM commands REPLACE "_" "-")
set(texts ${PROJECT_BINARY_DIR}/texts)
file(MAKE_DIRECTORY ${texts})

# The file gets what the program prints for the arguments.
function(fg_text file)
  add_custom_command(OUTPUT ${texts}/${file} COMMAND fgconv ${ARGN} > ${texts}/${file} DEPENDS fgconv VERBATIM
    COMMENT "Printing ${file}")
  set_property(GLOBAL APPEND PROPERTY FG_TEXTS ${texts}/${file})
endfunction()

foreach(command ${commands})
  fg_text(fgconv-${command}.1 ${command} --help=man)
  install(FILES ${texts}/fgconv-${command}.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endforeach()
set(manual ${PROJECT_SOURCE_DIR}/src/cli/fgconv.1)
fg_text(commands.mdoc --help=man)
add_custom_command(OUTPUT ${texts}/fgconv.1 COMMAND sed "/ come here\\.$/r ${texts}/commands.mdoc" ${manual} > ${texts}/fgconv.1
  DEPENDS ${manual} ${texts}/commands.mdoc VERBATIM COMMENT "Printing fgconv.1")
set_property(GLOBAL APPEND PROPERTY FG_TEXTS ${texts}/fgconv.1)
install(FILES ${texts}/fgconv.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
fg_text(fgconv.bash completion bash)
fg_text(_fgconv completion zsh)
fg_text(fgconv.fish completion fish)
install(FILES ${texts}/fgconv.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME fgconv)
install(FILES ${texts}/_fgconv DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${texts}/fgconv.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

get_property(all GLOBAL PROPERTY FG_TEXTS)
add_custom_target(fgconv_texts ALL DEPENDS ${all})
