# SPDX-License-Identifier: Apache-2.0
# The component dlpack of find_package(viewcast): the target viewcast::dlpack. The cache
# variable viewcast_DLPACK_INCLUDE_DIR is the folder above dlpack/. It is looked for where CMake
# looks for headers, and in the Python package apache-tvm-ffi, whose command tells its folder.

if(NOT viewcast_DLPACK_INCLUDE_DIR)
  find_program(viewcast_TVM_FFI_CONFIG tvm-ffi-config)
  mark_as_advanced(viewcast_TVM_FFI_CONFIG)
  set(_viewcast_hint "")
  if(viewcast_TVM_FFI_CONFIG)
    execute_process(
      COMMAND "${viewcast_TVM_FFI_CONFIG}" --dlpack-includedir
      OUTPUT_VARIABLE _viewcast_hint
      OUTPUT_STRIP_TRAILING_WHITESPACE
      ERROR_QUIET)
  endif()
  find_path(viewcast_DLPACK_INCLUDE_DIR dlpack/dlpack.h
    HINTS "${_viewcast_hint}"
    DOC "Folder that holds dlpack/dlpack.h")
  unset(_viewcast_hint)
endif()

if(EXISTS "${viewcast_DLPACK_INCLUDE_DIR}/dlpack/dlpack.h")
  set(viewcast_dlpack_FOUND TRUE)
  if(NOT TARGET viewcast::dlpack)
    add_library(viewcast::dlpack INTERFACE IMPORTED)
    set_target_properties(viewcast::dlpack PROPERTIES
      INTERFACE_INCLUDE_DIRECTORIES "${viewcast_DLPACK_INCLUDE_DIR}")
  endif()
elseif(viewcast_FIND_REQUIRED_dlpack)
  set(viewcast_FOUND FALSE)
  set(viewcast_NOT_FOUND_MESSAGE
    "dlpack/dlpack.h was not found: viewcast_DLPACK_INCLUDE_DIR is \
\"${viewcast_DLPACK_INCLUDE_DIR}\". Install the header (pip install apache-tvm-ffi, or DLPack \
itself) or name the folder above dlpack/ with -Dviewcast_DLPACK_INCLUDE_DIR=FOLDER. Sources that \
do not include dlpack/dlpack.h need no component dlpack: viewcast's own headers do without it.")
endif()
