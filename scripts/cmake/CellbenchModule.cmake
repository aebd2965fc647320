# SPDX-License-Identifier: MIT
# cellbench_module(NAME SOURCES ... USES module... LIBS target...): one module of core/.
# cellbench_test(NAME SOURCES ... USES module... LABEL label): one test program of tests/.

add_library(cellbench_flags INTERFACE)
# Fields that a public struct gains at its end are 0 in initialisers that do not name them.
target_compile_options(cellbench_flags INTERFACE
  -Wall -Wextra -Wno-missing-field-initializers -Wshadow -Wconversion -Wdouble-promotion -Wmissing-prototypes
  -Wstrict-prototypes -Wundef -fno-math-errno -fno-trapping-math -ffp-contract=off
  $<$<BOOL:${CELLBENCH_WERROR}>:-Werror>)
target_compile_definitions(cellbench_flags INTERFACE _GNU_SOURCE)
if(CELLBENCH_SANITIZE)
  target_compile_options(cellbench_flags INTERFACE
    -fsanitize=${CELLBENCH_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(cellbench_flags INTERFACE -fsanitize=${CELLBENCH_SANITIZE})
endif()

# base/build_info.h, for modules that record what they were built from.
string(TOUPPER "${CMAKE_BUILD_TYPE}" build_type)
set(generated "${PROJECT_BINARY_DIR}/generated")
string(JOIN " " build_flags ${CMAKE_C_FLAGS} ${CMAKE_C_FLAGS_${build_type}})
if(CELLBENCH_SANITIZE)
  string(APPEND build_flags " -fsanitize=${CELLBENCH_SANITIZE}")
endif()
add_custom_target(cellbench_build_info
  COMMAND "${CMAKE_COMMAND}" "-DSOURCE=${PROJECT_SOURCE_DIR}"
          "-DHEADER=${generated}/base/build_info.h" "-DVERSION=${PROJECT_VERSION}"
          "-DCOMPILER=${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION}"
          "-DFLAGS=${build_flags}" -P "${PROJECT_SOURCE_DIR}/scripts/cmake/BuildInfo.cmake"
  BYPRODUCTS "${generated}/base/build_info.h"
  COMMENT "Recording compiler, flags and commit" VERBATIM)
target_include_directories(cellbench_flags INTERFACE "${generated}")
add_dependencies(cellbench_flags cellbench_build_info)

function(cellbench_module name)
  cmake_parse_arguments(M "" "" "SOURCES;USES;LIBS" ${ARGN})
  list(TRANSFORM M_USES PREPEND cellbench_)
  add_library(cellbench_${name} STATIC ${M_SOURCES})
  target_include_directories(cellbench_${name}
    PUBLIC "${PROJECT_SOURCE_DIR}/core/include" "${PROJECT_SOURCE_DIR}/core")
  target_link_libraries(cellbench_${name} PUBLIC ${M_USES} PRIVATE ${M_LIBS} cellbench_flags m)
  # What the installed library is made of, see CellbenchInstall.
  set_property(GLOBAL APPEND PROPERTY CELLBENCH_MODULES cellbench_${name})
  set_target_properties(cellbench_${name} PROPERTIES CELLBENCH_LIBS "${M_LIBS}")
endfunction()

function(cellbench_test name)
  cmake_parse_arguments(T "" "LABEL;TIMEOUT" "SOURCES;USES;LIBS" ${ARGN})
  add_executable(test_${name} ${T_SOURCES})
  list(TRANSFORM T_USES PREPEND cellbench_)
  target_include_directories(test_${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
  target_link_libraries(test_${name} PRIVATE ${T_USES} ${T_LIBS} cellbench_flags CMocka::CMocka m)
  add_test(NAME ${name} COMMAND test_${name})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  if(CELLBENCH_SANITIZE)
    math(EXPR T_TIMEOUT "5 * ${T_TIMEOUT}")
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${T_LABEL}" TIMEOUT ${T_TIMEOUT})
  if(CELLBENCH_DATA)
    set_tests_properties(${name} PROPERTIES ENVIRONMENT "CELLBENCH_DATA=${CELLBENCH_DATA}")
  endif()
endfunction()
