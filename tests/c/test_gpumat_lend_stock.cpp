/* SPDX-License-Identifier: Apache-2.0 */
/* Memory lent to GpuMats of stock OpenCV, which does not report the end of a lend. */
#include "gpumat_samples.hpp"

namespace {

// Stock 5.x counts but cannot free: swept once only our own count is left.
void test_counts_only(bool any_thread) {
  Source source;
  vc_statistics before = read_statistics();
  {
    GpuMat mat;
    lend_sample(source, any_thread, mat);
    GpuMat copy(mat), region(mat, Rect{1, 1, 2, 2});
    vc_owner owner = share(region);
    mat.release();
    copy.release();
    CHECK_INT(vc_collect(true), 0); // a region and a share are left
    region.release();
    CHECK_INT(vc_collect(false), 0);
    CHECK_INT(source.released, 0);
    vc_owner_release(&owner);
    CHECK_INT(source.released, 0);
  }
  CHECK_INT(vc_collect(false), 1);
  CHECK_INT(source.released, 1);
  CHECK_INT(vc_collect(false), 0);
  CHECK_INT(library.deaths, 0);
  CHECK_INT(read_statistics().lends_released - before.lends_released, 1);
}

// A GpuMat object with a reference count of its own, as Python's.
struct Object {
  GpuMat mat;
  int references = 2; // the test's and the holder's

  static bool is_last(void *object) { return static_cast<Object *>(object)->references == 1; }
  static void release(void *object) { static_cast<Object *>(object)->references--; }
  vc_holder holder() { return {sizeof(vc_holder), this, is_last, release}; }
};

void lend_object(Source &source, Object &object) {
  vc_owner owner = source.owner(false);
  vc_holder holder = object.holder();
  vc_view view = image_of(source.data, u8, {6, 10, 3}, 64);
  CHECK_OK(vc_gpumat_lend(&abi, &view, &owner, &holder, header(object.mat), &error));
}

// Stock 4.x never counts down: swept once nobody else has the object.
void test_counts_up() {
  Source source;
  Object object;
  lend_object(source, object);
  CHECK_INT(vc_collect(false), 0);
  CHECK_INT(vc_collect(true), 0); // somebody still has it, forced or not
  object.references--;
  CHECK_INT(vc_collect(false), 1);
  CHECK_INT(source.released, 1);
  CHECK_INT(object.references, 0);
  CHECK_INT(vc_collect(false), 0);
}

// Once its header was copied, such a lend ends only if forced.
void test_counts_up_copied() {
  static int32_t *counter; // what the copy points at is left where it is
  Source source;
  Object object;
  lend_object(source, object);
  counter = object.mat.refcount;
  {
    GpuMat copy(object.mat);
  }
  CHECK_INT(*counter, 2);
  object.references--;
  CHECK_INT(vc_collect(false), 0);
  CHECK_INT(source.released, 0);
  CHECK_INT(vc_collect(true), 1);
  CHECK_INT(source.released, 1);
  CHECK_INT(object.references, 0);
  CHECK_INT(vc_collect(true), 0);
}

void test_counts_up_refused() {
  Source source;
  Object object;
  vc_owner owner = source.owner(false);
  vc_view view = image_of(source.data, u8, {6, 10, 3}, 64);
  CHECK_FAILS(vc_gpumat_lend(&abi, &view, &owner, nullptr, header(object.mat), &error),
              VC_ERROR_ARGUMENT, "needs a holder");
  CHECK(object.mat.data == nullptr && object.mat.refcount == nullptr);
  CHECK(owner.release != nullptr);
  vc_owner_release(&owner);

  lend_object(source, object);
  CHECK_FAILS(vc_gpumat_share(&abi, header(object.mat), &owner, &error), VC_ERROR_ABI,
              "keep the GpuMat object alive instead");
  CHECK_INT(*object.mat.refcount, 1);
  object.references--;
  CHECK_INT(vc_collect(false), 1);
  CHECK_INT(source.released, 2);
}

// Many lends: those that are over go, the others stay; and a release may collect.
void test_sweep_many() {
  constexpr int count = 100;
  Source source;
  std::vector<std::unique_ptr<Object>> objects;
  for (int i = 0; i < count; i++) {
    objects.push_back(std::make_unique<Object>());
    lend_object(source, *objects.back());
  }
  CHECK(!vc_collect_pending()); // that is about the list: none is over yet
  for (size_t i = 0; i < count; i += 2) objects[i]->references--;
  CHECK_INT(vc_collect(false), count / 2);
  CHECK_INT(source.released, count / 2);
  for (size_t i = 1; i < count; i += 2) objects[i]->references--;
  CHECK_INT(vc_collect(false), count / 2);
  CHECK_INT(source.released, count);
}

// An owner that is not any_thread is released inside vc_collect and nowhere else: lends that
// are over are found by later ones, on threads that must not run its release.
std::thread::id collector;
std::atomic<int> elsewhere;

void note_thread(void *context) {
  if (std::this_thread::get_id() != collector) elsewhere++;
  Source::count(context);
}

template <class Lend>
void lend_on_another_thread(int count, Lend lend) {
  std::thread([&] {
    for (int i = 0; i < count; i++) lend(i);
  }).join();
}

void test_lends_release_nothing(bool any_thread) {
  constexpr int count = 100;
  Source source;
  std::vector<std::unique_ptr<Object>> objects;
  for (int i = 0; i < count; i++) objects.push_back(std::make_unique<Object>());
  collector = std::this_thread::get_id();
  elsewhere = 0;
  lend_on_another_thread(count, [&](int i) {
    vc_owner owner = {&source, note_thread, any_thread};
    vc_holder holder = objects[size_t(i)]->holder();
    vc_view view = image_of(source.data, u8, {6, 10, 3}, 64);
    GpuMat &mat = objects[size_t(i)]->mat;
    CHECK_OK(vc_gpumat_lend(&abi, &view, &owner, &holder, header(mat), &error));
    if (abi.counting == VC_REFCOUNT_NO_FREE) mat.release();
    objects[size_t(i)]->references--;
  });
  CHECK((elsewhere > 0) == any_thread);
  CHECK_INT(source.released, elsewhere);
  CHECK_INT(vc_collect(false), count - elsewhere);
  CHECK_INT(source.released, count);
  for (auto &object : objects)
    CHECK_INT(object->references, abi.counting == VC_REFCOUNT_UP_ONLY ? 0 : 1);
}

// Put on the list, they are announced.
std::atomic<int> notified;

void test_lends_notify() {
  Source source;
  std::vector<std::unique_ptr<Object>> objects;
  notified = 0;
  vc_collect_notify([] { notified++; });
  for (int i = 0; i < 17; i++) {
    objects.push_back(std::make_unique<Object>());
    lend_object(source, *objects.back());
    objects.back()->references--;
  }
  vc_collect_notify(nullptr);
  CHECK_INT(source.released, 0);
  CHECK_INT(notified, 1);
  CHECK(vc_collect_pending());
  CHECK_INT(vc_collect(false), 17);
  CHECK_INT(source.released, 17);
}

void release_and_collect(void *context) {
  Source::count(context);
  vc_collect(true);
}

void test_collect_inside_sweep() {
  Source source;
  Object objects[3];
  for (Object &object : objects) {
    vc_owner owner = {&source, release_and_collect, false};
    vc_holder holder = object.holder();
    vc_view view = image_of(source.data, u8, {6, 10, 3}, 64);
    CHECK_OK(vc_gpumat_lend(&abi, &view, &owner, &holder, header(object.mat), &error));
    object.references--;
  }
  CHECK_INT(vc_collect(false), 3);
  CHECK_INT(source.released, 3);
}

// What the end of a swept lend puts on the list goes in the same collection.
void test_owners_queued_by_a_sweep() {
  Source source;
  Object object;
  vc_owner owner = source.owner(false);
  vc_view view = image_of(source.data, u8, {6, 10, 3}, 64);
  DLManagedTensorVersioned *tensor;
  CHECK_OK(vc_dlpack_versioned_from_view(&view, &owner, 0, &tensor, &error));
  CHECK_OK(vc_view_from_dlpack_versioned(tensor, &view, &owner, nullptr, &error));
  vc_holder holder = object.holder();
  CHECK_OK(vc_gpumat_lend(&abi, &view, &owner, &holder, header(object.mat), &error));
  object.references--;
  CHECK_INT(vc_collect(false), 2);
  CHECK_INT(source.released, 1);
}

void run() {
  for_stock_5([] {
    test_counts_only(true);
    test_counts_only(false);
    test_lends_release_nothing(true);
    test_lends_release_nothing(false);
  });
  for_stock_4([] {
    test_counts_up();
    test_counts_up_copied();
    test_counts_up_refused();
    test_lends_release_nothing(true);
    test_lends_release_nothing(false);
    test_lends_notify();
    test_sweep_many();
    test_collect_inside_sweep();
    test_owners_queued_by_a_sweep();
  });
}

} // namespace

int main() { return run_in_host_mode(run); }
