/* SPDX-License-Identifier: Apache-2.0 */
/* DLPack between Python objects: capsules and the C exchange table. */
#ifndef VIEWCAST_PYTHON_ADAPTERS_DLPACK_PYTHON_H
#define VIEWCAST_PYTHON_ADAPTERS_DLPACK_PYTHON_H

#include <dlpack/dlpack.h>

#include "owner.h"

/* The DLPackExchangeAPI of a type, major version 1, or NULL without an
 * exception. VIEWCAST_SLOW=1 in the environment hides it. */
const DLPackExchangeAPI *ext_exchange_api(PyTypeObject *type);

/* Describes an object through a table, whose managed tensor becomes the owner.
 * -1 with the producer's exception chained. */
int ext_import_exchange(const DLPackExchangeAPI *api, PyObject *object, ext_source *out);

/* Takes the tensor out of a capsule "dltensor" or "dltensor_versioned" that __dlpack__()
 * gave. The capsule is renamed only if its tensor could be read. may_copy: memory that the
 * producer copied for it is taken too. */
int ext_import_capsule(PyObject *capsule, bool may_copy, ext_source *out);

/* The same for a capsule that the caller has. Its maker ordered it for the stream that it
 * was asked for; which one that was it does not say, and without producer_stream= it is
 * DLPack's default, the legacy default stream. 1: taken; 0: the capsule is not DLPack's;
 * -1: an exception. */
int ext_import_bare_capsule(PyObject *capsule, ext_source *out);

/* A capsule that holds source->owner (taken), versioned or not. */
PyObject *ext_export_capsule(ext_source *source, bool versioned);

#endif
