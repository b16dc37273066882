/* SPDX-License-Identifier: Apache-2.0 */
/* viewcast.hpp in C++11: owners, views, exceptions, DLPack in and out. DLPack's header is
 * included after it, as a program may. */
#include <viewcast/viewcast.hpp>

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "check.h"

/* Everything that needs no complete managed tensor is used before there is one. */
static vc_status status_of_a_failure() {
  try {
    viewcast::View::packed(nullptr, vc_device{VC_CPU, 0}, vc_dtype{VC_UINT, 8}, {2, 3});
  } catch (const viewcast::Error &error) {
    CHECK(std::string(error.what()) == error.error().message);
    CHECK(std::strlen(error.what()) > 0);
    return error.status();
  }
  return VC_OK;
}

#include <dlpack/dlpack.h>

using viewcast::Owner;
using viewcast::Release;
using viewcast::View;

namespace {

const vc_device cpu = {VC_CPU, 0};
const vc_dtype u8 = {VC_UINT, 8};
uint8_t pixels[96];

/* An object whose death can be seen. */
using Watched = std::shared_ptr<int>;

void test_errors() {
  CHECK_INT(status_of_a_failure(), VC_ERROR_VALUE);
  vc_device device;
  viewcast::call(vc_cuda_pointer_device, pixels, &device);
  CHECK_INT(device.type, VC_CPU);
  bool thrown = false;
  try {
    viewcast::call(vc_cuda_pointer_device, pixels, nullptr);
  } catch (const std::runtime_error &error) {
    thrown = true;
    CHECK(std::strstr(error.what(), "NULL") != nullptr);
  }
  CHECK(thrown);
}

void test_owner() {
  const Watched object = std::make_shared<int>(1);
  Owner owner = Owner::keep(object);
  CHECK_INT(object.use_count(), 2);
  CHECK(static_cast<bool>(owner) && owner.get()->any_thread);
  Owner moved(std::move(owner));
  CHECK(!owner && moved);
  owner = Owner::keep(object, Release::collect);
  CHECK(!owner.get()->any_thread);
  owner = std::move(moved);
  CHECK_INT(object.use_count(), 2);
  Owner &same = owner;
  owner = std::move(same);
  CHECK_INT(object.use_count(), 2);
  vc_owner raw = owner.detach();
  CHECK(!owner);
  CHECK_INT(object.use_count(), 2);
  {
    const Owner taken(raw);
  }
  CHECK_INT(object.use_count(), 1);
  owner = Owner::keep(object);
  owner.reset();
  CHECK_INT(object.use_count(), 1);
  /* What can only be moved can be kept. */
  const Owner unique = Owner::keep(std::unique_ptr<Watched>(new Watched(object)));
  CHECK_INT(object.use_count(), 2);
}

void test_view() {
  const Watched object = std::make_shared<int>(1);
  View view = View::packed(pixels, cpu, u8, {4, 6, 3}, Owner::keep(object));
  CHECK(view.data() == pixels && view.device().type == VC_CPU && view.dtype().bits == 8);
  CHECK_INT(view.ndim(), 3);
  CHECK_INT(view.shape(1), 6);
  CHECK_INT(view.stride(0), 18);
  CHECK_INT(view.shape(3), 0);
  CHECK_INT(view.stride(-1), 0);
  CHECK_INT(view.nbytes(), 72);
  CHECK(view.is_packed() && !view.is_empty() && !view.readonly());
  vc_image image = view.image();
  CHECK_INT(image.channels, 3);

  View moved(std::move(view));
  CHECK_INT(view.ndim(), 0);
  CHECK(view.data() == nullptr && !view.owner());
  view = std::move(moved);
  CHECK_INT(object.use_count(), 2);
  view = View();
  CHECK_INT(object.use_count(), 1);

  image.step = 24;
  view = View::of_image(image, cpu, Owner::keep(object));
  CHECK(!view.is_packed());
  CHECK_INT(view.image().step, 24);
}

/* What is refused leaves the caller's owner alone. */
void test_refused_view() {
  const Watched object = std::make_shared<int>(1);
  Owner owner = Owner::keep(object);
  vc_view wrong = View::packed(pixels, cpu, u8, {4, 6}).fields();
  wrong.shape[0] = -1;
  bool thrown = false;
  try {
    const View view(wrong, std::move(owner));
  } catch (const viewcast::Error &) {
    thrown = true;
  }
  CHECK(thrown && owner);
  CHECK_INT(object.use_count(), 2);
}

template <class Tensor>
void check_round_trip() {
  const Watched object = std::make_shared<int>(1);
  View view = View::packed(pixels, cpu, u8, {4, 6, 3}, Owner::keep(object));
  viewcast::ManagedTensor<Tensor> tensor = std::move(view).template to_dlpack<Tensor>();
  CHECK(!view.owner() && view.data() == nullptr);
  CHECK_INT(tensor->dl_tensor.shape[1], 6);
  View back = View::from_dlpack(tensor.release(), Release::any_thread);
  CHECK(back.data() == pixels && back.owner().get()->any_thread);
  CHECK_INT(object.use_count(), 2);
  back = View();
  CHECK_INT(object.use_count(), 1);

  /* A tensor that no consumer takes. */
  tensor = View::packed(pixels, cpu, u8, {4}, Owner::keep(object)).template to_dlpack<Tensor>();
  CHECK_INT(object.use_count(), 2);
  tensor.reset();
  CHECK_INT(object.use_count(), 1);

  /* One that is refused is deleted; a deleter may be absent. */
  tensor = View::packed(pixels, cpu, u8, {4}, Owner::keep(object)).template to_dlpack<Tensor>();
  tensor->dl_tensor.dtype.lanes = 4;
  bool thrown = false;
  try {
    View::from_dlpack(tensor.release());
  } catch (const viewcast::Error &error) {
    thrown = error.status() == VC_ERROR_DTYPE;
  }
  CHECK(thrown);
  CHECK_INT(object.use_count(), 1);
  Tensor bare = {};
  viewcast::DeleteTensor()(&bare);
}

void test_dlpack() {
  check_round_trip<DLManagedTensor>();
  check_round_trip<DLManagedTensorVersioned>();

  vc_view fields = View::packed(pixels, cpu, u8, {4}).fields();
  fields.readonly = 1;
  const Watched object = std::make_shared<int>(1);
  View view(fields, Owner::keep(object));
  bool thrown = false;
  try {
    std::move(view).to_dlpack<DLManagedTensor>();
  } catch (const viewcast::Error &error) {
    thrown = error.status() == VC_ERROR_VALUE;
  }
  CHECK(thrown && view.owner() && view.data() == pixels);
  const auto tensor = std::move(view).to_dlpack<DLManagedTensorVersioned>();
  CHECK((tensor->flags & DLPACK_FLAG_BITMASK_READ_ONLY) != 0);
}

} // namespace

int main() {
  test_errors();
  test_owner();
  test_view();
  test_refused_view();
  test_dlpack();
  return check_report();
}
