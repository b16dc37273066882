/* SPDX-License-Identifier: Apache-2.0 */
/* An image of this program handed to a DLPack consumer, and read back as one.
 *
 * The pixels stay where they are. The consumer ends its use of them with one
 * call of the tensor's deleter, and only then is the memory given back. */
#include <dlpack/dlpack.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <viewcast/viewcast.h>

enum { HEIGHT = 4, WIDTH = 6, CHANNELS = 3, STEP = 32 /* bytes from row to row */ };

static int frees;

static void free_pixels(void *pixels) {
  free(pixels);
  frees++;
}

static int fail(const char *what, const vc_error *error) {
  fprintf(stderr, "%s: %s\n", what, error->message);
  return EXIT_FAILURE;
}

/* The producer: pixels in rows of 32 bytes, as a managed tensor that owns them. */
static vc_status produce(void *pixels, DLManagedTensorVersioned **out, vc_error *error) {
  const vc_dtype uint8 = {VC_UINT, 8};
  const vc_image image = {.data = pixels,
                          .rows = HEIGHT,
                          .cols = WIDTH,
                          .step = STEP,
                          .channels = CHANNELS,
                          .dtype = uint8};
  const vc_device cpu = {VC_CPU, 0};
  vc_view view;
  vc_view_from_image(&image, cpu, false, &view);

  /* free() may be called from whatever thread the consumer ends on. */
  vc_owner owner = {.context = pixels, .release = free_pixels, .any_thread = true};
  return vc_dlpack_versioned_from_view(&view, &owner, 0, out, error);
}

/* The consumer: any managed tensor as an interleaved image. */
static vc_status consume(DLManagedTensorVersioned *tensor, vc_image *image, vc_owner *owner,
                         vc_error *error) {
  vc_view view;
  vc_status status = vc_view_from_dlpack_versioned(tensor, &view, owner, NULL, error);
  if (status != VC_OK) {
    tensor->deleter(tensor); /* what was not taken stays the caller's */
    return status;
  }
  status = vc_image_from_view(&view, image, error);
  if (status != VC_OK) vc_owner_release(owner);
  return status;
}

int main(void) {
  vc_error error;
  DLManagedTensorVersioned *tensor;
  vc_image image;
  vc_owner owner;

  uint8_t *pixels = calloc(HEIGHT, STEP);
  if (pixels == NULL) return EXIT_FAILURE;
  if (produce(pixels, &tensor, &error) != VC_OK) {
    free(pixels);
    return fail("could not export", &error);
  }
  if (consume(tensor, &image, &owner, &error) != VC_OK) return fail("could not import", &error);

  printf("viewcast %s\n", vc_version());
  printf("%" PRId64 " x %" PRId64 " pixels, %" PRId32 " channels of %s, %" PRId64
         " bytes from row to row\n",
         image.rows, image.cols, image.channels, vc_dtype_name(image.dtype), image.step);
  printf("same memory: %s\n", image.data == pixels ? "yes" : "no");

  bool right = image.data == pixels && image.rows == HEIGHT && image.cols == WIDTH &&
               image.channels == CHANNELS && image.step == STEP && frees == 0;
  vc_owner_release(&owner); /* calls the tensor's deleter: the pixels end here */
  vc_collect(false);        /* pending releases; there are none in this program */
  printf("freed: %d time%s\n", frees, frees == 1 ? "" : "s");
  return right && frees == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
