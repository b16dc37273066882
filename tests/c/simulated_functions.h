/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of the simulated driver by which a test arranges it and looks at it, as pointers
 * of their names. load_simulation() must come before the first call; it ends the program where
 * LD_LIBRARY_PATH names no simulated libcuda.so.1. For C and C++. */
#ifndef VIEWCAST_TESTS_SIMULATED_FUNCTIONS_H
#define VIEWCAST_TESTS_SIMULATED_FUNCTIONS_H

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simulated_cuda.h"

#define DEFINE(type, name, parameters) static type(*name) parameters;
SIM_FUNCTIONS(DEFINE)

static inline void find_function(void *library, const char *name, void *slot) {
  void *symbol = library ? dlsym(library, name) : NULL;
  if (!symbol) {
    fprintf(stderr, "LD_LIBRARY_PATH names no simulated libcuda.so.1 (%s)\n", name);
    exit(1);
  }
  memcpy(slot, &symbol, sizeof symbol);
}

static inline void load_simulation(void) {
  void *library = dlopen("libcuda.so.1", RTLD_NOW);
#define FIND(type, name, parameters) find_function(library, #name, &name);
  SIM_FUNCTIONS(FIND)
}

#endif
