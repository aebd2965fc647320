# SPDX-License-Identifier: MIT
# The installed library: the objects of the modules of core/ as one shared and one static library,
# with their headers, a CMake package and a pkg-config file, all from the same variables. The
# modules of script and variants are not in it. The command and the Lua module are installed where
# they are built.
include(CMakePackageConfigHelpers)

get_property(modules GLOBAL PROPERTY CELLBENCH_MODULES)
list(FILTER modules EXCLUDE REGEX "^cellbench_(script|variants)$")
set(libraries "")
set(objects "")
foreach(module IN LISTS modules)
  get_target_property(needed ${module} CELLBENCH_LIBS)
  list(APPEND libraries ${needed})
  list(APPEND objects "$<TARGET_OBJECTS:${module}>")
endforeach()
list(REMOVE_DUPLICATES libraries)

add_library(cellbench_shared SHARED ${objects})
add_library(cellbench::cellbench ALIAS cellbench_shared)
add_library(cellbench_static STATIC ${objects})
target_link_libraries(cellbench_shared PRIVATE ${libraries} cellbench_flags m)
target_link_options(cellbench_shared PRIVATE -Wl,--no-undefined)
if(CELLBENCH_FUZZ)
  # clang leaves the sanitizer's functions to the program: no library can be complete.
  set_target_properties(cellbench_shared PROPERTIES EXCLUDE_FROM_ALL ON)
endif()
set_target_properties(cellbench_shared cellbench_static PROPERTIES
  OUTPUT_NAME cellbench LINKER_LANGUAGE C)
set_target_properties(cellbench_shared PROPERTIES
  EXPORT_NAME cellbench VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
target_include_directories(cellbench_shared
  INTERFACE "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/core/include>"
            "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/cellbench")
install(TARGETS cellbench_shared EXPORT cellbench_targets
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(TARGETS cellbench_static ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/core/include/cellbench"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")

install(EXPORT cellbench_targets NAMESPACE cellbench:: FILE cellbench-targets.cmake
  DESTINATION "${package_dir}")
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/cellbench-config.cmake.in"
  "${PROJECT_BINARY_DIR}/cellbench-config.cmake" INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/cellbench-config-version.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/cellbench-config.cmake"
              "${PROJECT_BINARY_DIR}/cellbench-config-version.cmake"
  DESTINATION "${package_dir}")

# pkg-config takes the prefix from where its file lies, so that `cmake --install --prefix` works.
set(pc_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
  BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}/${pc_dir}" OUTPUT_VARIABLE pc_prefix)
set(pc_private "-lm")
foreach(library IN LISTS libraries)
  if(library STREQUAL "Threads::Threads")
    string(APPEND pc_private " -pthread")
    continue()
  endif()
  get_target_property(file ${library} IMPORTED_LOCATION)
  if(file)
    cmake_path(GET file STEM stem)
    string(REGEX REPLACE "^lib" " -l" flag "${stem}")
    string(APPEND pc_private "${flag}")
  endif()
endforeach()
configure_file("${CMAKE_CURRENT_LIST_DIR}/cellbench.pc.in" "${PROJECT_BINARY_DIR}/cellbench.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/cellbench.pc" DESTINATION "${pc_dir}")
