/* SPDX-License-Identifier: Apache-2.0 */
/* DLPack as Python objects carry it: capsules and the C exchange table. */
#ifndef VP_DLPACK_PYTHON_H
#define VP_DLPACK_PYTHON_H

#include <dlpack/dlpack.h>

#include "source.h"

/* The DLPackExchangeAPI of a type, major version 1, or NULL without an
 * exception. VIEWCAST_SLOW=1 in the environment hides it. */
const DLPackExchangeAPI *vp_exchange_api(PyTypeObject *type);

/* Describes an object through a table, whose managed tensor becomes the owner.
 * -1 with the producer's exception chained. */
int vp_import_exchange(const DLPackExchangeAPI *api, PyObject *object, vp_source *out);

/* Takes the tensor out of a capsule "dltensor" or "dltensor_versioned". The
 * capsule is renamed only if all went well. */
int vp_import_capsule(PyObject *capsule, vp_source *out);

/* A capsule that holds source->owner (taken), versioned or not. */
PyObject *vp_export_capsule(vp_source *source, bool versioned);

#endif
