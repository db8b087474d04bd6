# What every weft target is built with, in one place.
find_package(Protobuf REQUIRED)
find_package(tl-expected REQUIRED)
find_package(fmt REQUIRED)
find_package(OpenMP REQUIRED)
find_package(Boost REQUIRED)
find_library(SIMGRID_LIBRARY simgrid REQUIRED)  # Debian ships no CMake package for it
if(BUILD_TESTING)
  find_package(GTest REQUIRED)
endif()

set(WEFT_SCHEMA_LIBRARIES "" CACHE INTERNAL "schemas declared so far, base first")

add_library(weft_options INTERFACE)
target_compile_features(weft_options INTERFACE cxx_std_20)
target_include_directories(weft_options INTERFACE ${PROJECT_SOURCE_DIR})
target_link_libraries(weft_options INTERFACE
  tl::expected fmt::fmt OpenMP::OpenMP_CXX protobuf::libprotobuf Boost::headers)
target_compile_options(weft_options INTERFACE
  -Wall -Wextra -Wconversion -Wsign-conversion -Werror
  -Wshadow=local      # not all of -Wshadow: field.proto's options are weft::value, weft::type ...
  -Wno-restrict       # g++ 12 false alarm on "text" + std::string (GCC PR 105329)
  -Wno-stringop-overflow -Wno-array-bounds  # the same alarm, inlined further
  -Wno-maybe-uninitialized  # g++ 12 false alarms on temporaries of aggregates (GCC PR 105562)
  -ffp-contract=off)  # same bits on every CPU: no fused multiply-add

# The libraries' headers that most files see, parsed once: half the time of a first build.
add_library(weft_precompiled OBJECT ${PROJECT_SOURCE_DIR}/cmake/precompiled.cc)
target_link_libraries(weft_precompiled PRIVATE weft_options)
set(common_headers <algorithm> <map> <memory> <optional> <span> <string> <string_view> <vector>
  <fmt/format.h> <tl/expected.hpp> <google/protobuf/message.h>
  <boost/graph/compressed_sparse_row_graph.hpp>)
target_precompile_headers(weft_precompiled PRIVATE ${common_headers})

# The same for the test programs. They are compiled for a quick build: what they test is not.
if(BUILD_TESTING)
  add_library(weft_test_precompiled OBJECT ${PROJECT_SOURCE_DIR}/cmake/precompiled.cc)
  target_link_libraries(weft_test_precompiled PRIVATE weft_options GTest::gmock)
  target_compile_options(weft_test_precompiled PRIVATE -O1)
  target_compile_definitions(weft_test_precompiled PRIVATE WEFT_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_precompile_headers(weft_test_precompiled PRIVATE
    <boost/graph/dijkstra_shortest_paths.hpp>  # before the other graph headers: it sees less after
    ${common_headers} <fstream> <random> <sstream> <gmock/gmock.h> <gtest/gtest.h>)
endif()

# weft_module(NAME files... PROTOS schema... EMBED data... TESTS files... LINKS modules...
# LIBS libraries... TEST_PROTOS schema...): library weft_NAME from the files, test program
# NAME_test from tests/NAME/. A schema's messages are reached as "NAME/schema.pb.h", those of a
# test's own schema as "tests/NAME/schema.pb.h". Data files are compiled in and reached through
# "NAME/embedded.h" as Embedded<Name>Files(). Files are listed, never globbed. TOGETHER n and
# TESTS_TOGETHER n: so many files are compiled as one (a unity build), which parses the schemas
# once: names in anonymous namespaces must differ within the module, or within its tests.
function(weft_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "PROTOS;EMBED;TESTS;LINKS;LIBS;TEST_PROTOS;PRECOMPILE;TOGETHER;TESTS_TOGETHER")
  list(TRANSFORM arg_LINKS PREPEND weft_)
  list(TRANSFORM arg_TESTS PREPEND ${PROJECT_SOURCE_DIR}/tests/${name}/)
  set(sources ${arg_UNPARSED_ARGUMENTS})
  if(arg_PROTOS)
    weft_protos(weft_${name}_schema ${name} ${arg_PROTOS})
    list(APPEND arg_LIBS weft_${name}_schema)
    set(below ${WEFT_SCHEMA_LIBRARIES})
    set(WEFT_SCHEMA_LIBRARIES ${below} weft_${name}_schema CACHE INTERNAL "")
  endif()
  if(arg_EMBED)
    weft_embed(${name} embedded ${arg_EMBED})
    list(APPEND sources ${embedded})
  endif()
  add_library(weft_${name} STATIC ${sources})
  target_link_libraries(weft_${name} PUBLIC weft_options ${arg_LINKS} ${arg_LIBS})
  if(arg_PRECOMPILE)
    target_precompile_headers(weft_${name} PRIVATE ${common_headers} ${arg_PRECOMPILE})
  else()
    target_precompile_headers(weft_${name} REUSE_FROM weft_precompiled)
  endif()
  if(arg_TOGETHER)
    set_target_properties(weft_${name} PROPERTIES
      UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${arg_TOGETHER})
  endif()
  if(arg_EMBED)
    target_include_directories(weft_${name} PUBLIC ${PROJECT_BINARY_DIR}/generated)
  endif()
  if(arg_TESTS AND BUILD_TESTING)
    add_executable(${name}_test ${arg_TESTS})
    target_precompile_headers(${name}_test REUSE_FROM weft_test_precompiled)
    target_compile_options(${name}_test PRIVATE -O1)
    target_compile_definitions(${name}_test PRIVATE WEFT_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    target_link_libraries(${name}_test PRIVATE weft_${name} GTest::gmock_main)
    if(arg_TESTS_TOGETHER)
      set_target_properties(${name}_test PROPERTIES
        UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${arg_TESTS_TOGETHER})
    endif()
    if(arg_TEST_PROTOS)
      weft_protos(weft_${name}_test_schema tests/${name} ${arg_TEST_PROTOS})
      target_link_libraries(${name}_test PRIVATE weft_${name}_test_schema)
    endif()
    add_test(NAME ${name} COMMAND ${name}_test)
  endif()
endfunction()

# Generated code is a library of its own, without our warnings: we do not own its style.
function(weft_protos library folder)
  set(out ${PROJECT_BINARY_DIR}/generated)
  set(generated)
  foreach(proto IN LISTS ARGN)
    string(REGEX REPLACE "\\.proto$" "" stem ${proto})
    set(stem ${folder}/${stem})
    add_custom_command(
      OUTPUT ${out}/${stem}.pb.cc ${out}/${stem}.pb.h
      COMMAND ${CMAKE_COMMAND} -E make_directory ${out}
      COMMAND protobuf::protoc -I ${PROJECT_SOURCE_DIR} --cpp_out=${out} ${stem}.proto
      DEPENDS ${PROJECT_SOURCE_DIR}/${stem}.proto
      COMMENT "schema ${stem}.proto")
    list(APPEND generated ${out}/${stem}.pb.cc)
  endforeach()
  add_library(${library} STATIC ${generated})
  target_compile_features(${library} PUBLIC cxx_std_20)
  target_include_directories(${library} SYSTEM PUBLIC ${out})
  target_link_libraries(${library} PUBLIC protobuf::libprotobuf)
  set(below ${WEFT_SCHEMA_LIBRARIES})  # the schemas of the modules before this one
  target_link_libraries(${library} PUBLIC ${below})
endfunction()

# Data files become string constants, in the order listed.
function(weft_embed name result)
  set(out ${PROJECT_BINARY_DIR}/generated/${name}/embedded)
  set(files ${ARGN})
  list(TRANSFORM files PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  add_custom_command(
    OUTPUT ${out}.cc ${out}.h
    COMMAND ${CMAKE_COMMAND} -DNAME=${name} -DOUT=${out} -DROOT=${PROJECT_SOURCE_DIR}
            "-DFILES=${files}" -P ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${files} ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    COMMENT "data of ${name}" VERBATIM)
  set(${result} ${out}.cc ${out}.h PARENT_SCOPE)
endfunction()
