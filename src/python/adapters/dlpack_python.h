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

/* Takes the tensor out of a capsule "dltensor" or "dltensor_versioned" that __dlpack__()
 * gave. The capsule is renamed only if its tensor could be read. may_copy: memory that the
 * producer copied for it is taken too. */
int vp_import_capsule(PyObject *capsule, bool may_copy, vp_source *out);

/* The same for a capsule that the caller has. Its maker ordered it for the stream that it
 * was asked for; which one that was it does not say, and without producer_stream= it is
 * DLPack's default, the legacy default stream. 1: taken; 0: the capsule is not DLPack's;
 * -1: an exception. */
int vp_import_bare_capsule(PyObject *capsule, vp_source *out);

/* A capsule that holds source->owner (taken), versioned or not. */
PyObject *vp_export_capsule(vp_source *source, bool versioned);

#endif
