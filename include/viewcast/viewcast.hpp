/* SPDX-License-Identifier: Apache-2.0 */
/*
 * viewcast for C++11 and later: owners and views that release what they own, errors as
 * exceptions, DLPack in and out. A header only, over the C functions of viewcast.h, which
 * remain usable beside it (viewcast::call turns their errors into exceptions).
 *
 *   viewcast::View view = viewcast::View::from_dlpack(managed_tensor);
 *   auto tensor = std::move(view).to_dlpack<DLManagedTensorVersioned>();
 *
 * Conventions
 *   - What fails throws viewcast::Error and leaves its arguments as they were, except where
 *     a comment says otherwise. Memory that C++ itself allocates can throw std::bad_alloc.
 *   - Owner and View own: they can be moved, not copied. One object is not to be used by
 *     several threads at once; different objects may be.
 *   - DLPack's header is not included. Functions that read or end a managed tensor are
 *     templates: include dlpack/dlpack.h, or ATen/dlpack.h, in a source that calls them.
 */
#ifndef VIEWCAST_VIEWCAST_HPP
#define VIEWCAST_VIEWCAST_HPP

#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <utility>

#include <viewcast/viewcast.h>

namespace viewcast {

/* ------------------------------------------------------------------ errors */

/* A call of the library that failed. what() is the message of the vc_error. */
class Error : public std::runtime_error {
 public:
  explicit Error(const vc_error &error) : std::runtime_error(error.message), error_(error) {}
  vc_status status() const noexcept { return error_.status; }
  const vc_error &error() const noexcept { return error_; }

 private:
  vc_error error_;
};

/* Calls a C function that returns vc_status, with these arguments and an error of its own,
 * and throws what it reports:
 *
 *   vc_mode mode;
 *   viewcast::call(vc_cuda_mode, &mode); */
template <class... Parameters, class... Arguments>
void call(vc_status (*function)(Parameters...), Arguments &&...arguments) {
  vc_error error;
  if (function(std::forward<Arguments>(arguments)..., &error) != VC_OK) throw Error(error);
}

/* ------------------------------------------------------------------ owners */

/* Where an owner may be released: on any thread at any time, without waiting for anything;
 * or only where the program says so, inside vc_collect (see vc_owner in viewcast.h). */
enum class Release { any_thread, collect };

/* One strong reference to whatever keeps memory alive, released by the destructor. */
class Owner {
 public:
  /* Owns nothing. */
  Owner() noexcept : fields_() {}
  explicit Owner(const vc_owner &taken) noexcept : fields_(taken) {}

  /* Keeps a value: a std::shared_ptr, a std::vector, a tensor, anything that can be moved. It is
   * destroyed when the owner is released. */
  template <class Value>
  static Owner keep(Value value, Release where = Release::any_thread) {
    vc_owner fields = {};
    fields.release = [](void *context) { delete static_cast<Value *>(context); };
    fields.any_thread = where == Release::any_thread;
    fields.context = new Value(std::move(value));
    return Owner(fields);
  }

  Owner(Owner &&other) noexcept : fields_(other.detach()) {}
  Owner &operator=(Owner &&other) noexcept {
    if (this != &other) {
      vc_owner_release(&fields_);
      fields_ = other.detach();
    }
    return *this;
  }
  Owner(const Owner &) = delete;
  Owner &operator=(const Owner &) = delete;
  ~Owner() { vc_owner_release(&fields_); }

  explicit operator bool() const noexcept { return fields_.release != nullptr; }

  /* For C functions, which take an owner by pointer and zero it on success. */
  vc_owner *get() noexcept { return &fields_; }

  /* Gives the reference to the caller, and owns nothing afterwards. */
  vc_owner detach() noexcept {
    const vc_owner fields = fields_;
    fields_ = vc_owner();
    return fields;
  }

  /* Releases now, on this thread. */
  void reset() noexcept { vc_owner_release(&fields_); }

 private:
  vc_owner fields_;
};

/* ------------------------------------------------------------------ DLPack */

/* Ends a managed tensor by its deleter. */
struct DeleteTensor {
  template <class Tensor>
  void operator()(Tensor *tensor) const {
    if (tensor->deleter != nullptr) tensor->deleter(tensor);
  }
};

/* A managed tensor (DLManagedTensor or DLManagedTensorVersioned) that is deleted unless a
 * consumer takes it: pass it on with release(). */
template <class Tensor>
using ManagedTensor = std::unique_ptr<Tensor, DeleteTensor>;

namespace detail {

inline vc_status from_dlpack(DLManagedTensor *tensor, vc_view *view, vc_owner *owner,
                             vc_error *error) {
  return vc_view_from_dlpack(tensor, view, owner, error);
}

inline vc_status from_dlpack(DLManagedTensorVersioned *tensor, vc_view *view, vc_owner *owner,
                             vc_error *error) {
  return vc_view_from_dlpack_versioned(tensor, view, owner, nullptr, error);
}

inline vc_status to_dlpack(const vc_view *view, vc_owner *owner, DLManagedTensor **out,
                           vc_error *error) {
  return vc_dlpack_from_view(view, owner, out, error);
}

inline vc_status to_dlpack(const vc_view *view, vc_owner *owner, DLManagedTensorVersioned **out,
                           vc_error *error) {
  return vc_dlpack_versioned_from_view(view, owner, 0, out, error);
}

} // namespace detail

/* ------------------------------------------------------------------- views */

/* An array in memory and the owner that keeps it alive. */
class View {
 public:
  /* No array: fields().ndim is 0. */
  View() noexcept : fields_() {}

  /* A view of memory that is described, checked as by vc_view_check. Without an owner its
   * lifetime is the caller's. */
  explicit View(const vc_view &described, Owner &&owner = Owner()) : fields_(described) {
    call(vc_view_check, &fields_);
    owner_ = std::move(owner);
  }

  /* A packed (C-contiguous) array. */
  static View packed(void *data, vc_device device, vc_dtype dtype,
                     std::initializer_list<int64_t> shape, Owner &&owner = Owner()) {
    vc_view fields;
    call(vc_view_packed, data, device, dtype, static_cast<int32_t>(shape.size()), shape.begin(),
         &fields);
    return View(fields, std::move(owner));
  }

  /* An interleaved image: rows, cols, channels and step. */
  static View of_image(const vc_image &image, vc_device device, Owner &&owner = Owner()) {
    vc_view fields = {};
    vc_view_from_image(&image, device, true, &fields);
    return View(fields, std::move(owner));
  }

  /* Takes a managed tensor, whose deleter is called once: when the owner is released, or before
   * the exception where the tensor is refused. A deleter is Release::collect unless the
   * caller knows that it waits for nothing, as those of libtorch. */
  template <class Tensor>
  static View from_dlpack(Tensor *tensor, Release where = Release::collect) {
    ManagedTensor<Tensor> managed(tensor);
    View made;
    vc_error error;
    if (detail::from_dlpack(tensor, &made.fields_, made.owner_.get(), &error) != VC_OK) {
      throw Error(error);
    }
    managed.release();
    made.owner_.get()->any_thread = where == Release::any_thread;
    return made;
  }

  /* Makes a managed tensor that keeps the memory until its deleter runs. The view owns nothing
   * afterwards. DLManagedTensor has no read-only flag and takes no read-only view. */
  template <class Tensor>
  ManagedTensor<Tensor> to_dlpack() && {
    Tensor *made = nullptr;
    vc_error error;
    if (detail::to_dlpack(&fields_, owner_.get(), &made, &error) != VC_OK) throw Error(error);
    fields_ = vc_view();
    return ManagedTensor<Tensor>(made);
  }

  View(View &&other) noexcept : fields_(other.fields_), owner_(std::move(other.owner_)) {
    other.fields_ = vc_view();
  }
  View &operator=(View &&other) noexcept {
    if (this != &other) {
      fields_ = other.fields_;
      owner_ = std::move(other.owner_);
      other.fields_ = vc_view();
    }
    return *this;
  }
  View(const View &) = delete;
  View &operator=(const View &) = delete;
  ~View() = default;

  /* Where the array is and how it is laid out, for C functions. */
  const vc_view &fields() const noexcept { return fields_; }
  Owner &owner() noexcept { return owner_; }
  const Owner &owner() const noexcept { return owner_; }

  void *data() const noexcept { return fields_.data; }
  vc_device device() const noexcept { return fields_.device; }
  vc_dtype dtype() const noexcept { return fields_.dtype; }
  bool readonly() const noexcept { return fields_.readonly != 0; }
  int ndim() const noexcept { return fields_.ndim; }

  /* Elements along an axis, and bytes from one to the next; 0 for an axis that there is not. */
  int64_t shape(int axis) const noexcept { return has(axis) ? fields_.shape[axis] : 0; }
  int64_t stride(int axis) const noexcept { return has(axis) ? fields_.strides[axis] : 0; }

  bool is_empty() const noexcept { return vc_view_is_empty(&fields_); }
  bool is_packed() const noexcept { return vc_view_is_packed(&fields_); }
  size_t nbytes() const noexcept { return vc_view_nbytes(&fields_); }

  /* The array as an interleaved image: rows, cols, channels and step. Throws VC_ERROR_LAYOUT for
   * other layouts. */
  vc_image image() const {
    vc_image read;
    call(vc_image_from_view, &fields_, &read);
    return read;
  }

 private:
  bool has(int axis) const noexcept { return axis >= 0 && axis < fields_.ndim; }

  vc_view fields_;
  Owner owner_;
};

} // namespace viewcast

#endif
