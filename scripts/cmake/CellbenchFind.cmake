# SPDX-License-Identifier: MIT
# cellbench_find(target PACKAGE debian-package HEADER file [LIBRARY name] [SUFFIXES dir...]
#                [VERSION_IN file REGEX regex...]): the common body of the find modules.
#
# Called from Find<Name>.cmake. Makes the imported target, checks the version asked for and, on
# failure, names the Debian package to install. Without LIBRARY: headers only. The version is what
# the first groups of the regular expressions match, joined by dots, in VERSION_IN: a header (below
# the include folder), a pkg-config file of the same package (*.pc), or the word BINARY for the
# library's own bytes.
include(FindPackageHandleStandardArgs)

function(cellbench_find_version out file)
  set(parts "")
  foreach(regex IN LISTS ARGN)
    file(STRINGS "${file}" line REGEX "${regex}" LIMIT_COUNT 1)
    if(line MATCHES "${regex}")
      list(APPEND parts "${CMAKE_MATCH_1}")
    endif()
  endforeach()
  list(JOIN parts "." version)
  set(${out} "${version}" PARENT_SCOPE)
endfunction()

function(cellbench_find target)
  set(name ${CMAKE_FIND_PACKAGE_NAME})
  cmake_parse_arguments(F "" "PACKAGE;HEADER;LIBRARY;VERSION_IN" "SUFFIXES;REGEX" ${ARGN})

  set(required ${name}_INCLUDE_DIR)
  find_path(${name}_INCLUDE_DIR NAMES ${F_HEADER} PATH_SUFFIXES ${F_SUFFIXES})
  if(F_LIBRARY)
    list(PREPEND required ${name}_LIBRARY)
    find_library(${name}_LIBRARY NAMES ${F_LIBRARY})
  endif()
  mark_as_advanced(${required})

  set(version_args "")
  if(F_VERSION_IN)
    set(file "${${name}_INCLUDE_DIR}/${F_VERSION_IN}")
    if(F_VERSION_IN STREQUAL "BINARY")
      set(file "${${name}_LIBRARY}")
    elseif(F_VERSION_IN MATCHES "\\.pc$")
      cmake_path(GET ${name}_LIBRARY PARENT_PATH folder)
      set(file "${folder}/pkgconfig/${F_VERSION_IN}")
    endif()
    if(NOT ${name}_VERSION AND EXISTS "${file}")
      cellbench_find_version(version "${file}" ${F_REGEX})
      set(${name}_VERSION "${version}" CACHE INTERNAL "Version of ${name} found")
    endif()
    set(version_args VERSION_VAR ${name}_VERSION)
  endif()
  find_package_handle_standard_args(${name} REQUIRED_VARS ${required} ${version_args}
    REASON_FAILURE_MESSAGE "On Debian 12: apt install ${F_PACKAGE}")
  set(${name}_FOUND ${${name}_FOUND} PARENT_SCOPE)

  if(${name}_FOUND AND NOT TARGET ${target})
    if(F_LIBRARY)
      add_library(${target} UNKNOWN IMPORTED)
      set_target_properties(${target} PROPERTIES IMPORTED_LOCATION "${${name}_LIBRARY}")
    else()
      add_library(${target} INTERFACE IMPORTED)
    endif()
    set_target_properties(${target} PROPERTIES
      INTERFACE_INCLUDE_DIRECTORIES "${${name}_INCLUDE_DIR}")
  endif()
endfunction()
