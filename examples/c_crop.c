/* SPDX-License-Identifier: Apache-2.0 */
/* The middle of a picture, cut out without copying it.
 *
 *   c_crop IN.ppm OUT.ppm
 *
 * The crop is a view: an address inside of the picture, and the picture's own step from
 * row to row. It goes through a DLPack tensor, as to another library, and what comes out
 * of that is written to the file. */
#include <dlpack/dlpack.h>
#include <stdio.h>
#include <stdlib.h>

#include <viewcast/viewcast.h>

typedef struct picture {
  int width, height;
  uint8_t *pixels; /* red, green, blue; rows without gaps */
} picture;

static bool read_ppm(const char *path, picture *out) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) return false;
  bool good = fscanf(file, "P6 %d %d 255", &out->width, &out->height) == 2 && out->width > 1 &&
              out->width < 1 << 15 && out->height > 1 && out->height < 1 << 15 &&
              fgetc(file) != EOF;
  size_t size = good ? (size_t)out->width * (size_t)out->height * 3 : 0;
  out->pixels = good ? malloc(size) : NULL;
  good = out->pixels != NULL && fread(out->pixels, 1, size, file) == size;
  if (!good) free(out->pixels);
  fclose(file);
  return good;
}

/* Rows of an image may lie further apart than they are long. */
static bool write_ppm(const char *path, const vc_image *image) {
  FILE *file = fopen(path, "wb");
  if (file == NULL) return false;
  size_t length = (size_t)image->cols * 3;
  bool good = fprintf(file, "P6\n%d %d\n255\n", (int)image->cols, (int)image->rows) > 0;
  for (int64_t row = 0; good && row < image->rows; row++)
    good = fwrite((const uint8_t *)image->data + row * image->step, 1, length, file) == length;
  return fclose(file) == 0 && good;
}

/* A quarter of the picture around its middle, as a tensor that owns its pixels. */
static vc_status crop(const picture *whole, DLManagedTensorVersioned **out, vc_error *error) {
  const vc_device cpu = {VC_CPU, 0};
  const vc_dtype uint8 = {VC_UINT, 8};
  const int64_t step = (int64_t)whole->width * 3;
  const vc_image middle = {
      .data = whole->pixels + whole->height / 4 * step + whole->width / 4 * 3,
      .rows = whole->height / 2,
      .cols = whole->width / 2,
      .step = step,
      .channels = 3,
      .dtype = uint8,
  };
  vc_view view;
  vc_view_from_image(&middle, cpu, false, &view);
  vc_owner owner = {.context = whole->pixels, .release = free, .any_thread = true};
  return vc_dlpack_versioned_from_view(&view, &owner, 0, out, error);
}

int main(int count, char **words) {
  picture whole;
  if (count != 3) {
    fprintf(stderr, "usage: c_crop IN.ppm OUT.ppm\n");
    return EXIT_FAILURE;
  }
  if (!read_ppm(words[1], &whole)) {
    fprintf(stderr, "%s cannot be read as a PPM file (P6) of 8 bits per channel\n", words[1]);
    return EXIT_FAILURE;
  }
  vc_error error;
  DLManagedTensorVersioned *tensor;
  if (crop(&whole, &tensor, &error) != VC_OK) {
    free(whole.pixels);
    fprintf(stderr, "%s\n", error.message);
    return EXIT_FAILURE;
  }

  /* From here on this could be another library: it has the tensor and nothing else. */
  vc_view view;
  vc_image image;
  vc_owner owner;
  if (vc_view_from_dlpack_versioned(tensor, &view, &owner, NULL, &error) != VC_OK) {
    tensor->deleter(tensor);
    fprintf(stderr, "%s\n", error.message);
    return EXIT_FAILURE;
  }
  bool good = vc_image_from_view(&view, &image, &error) == VC_OK;
  bool written = good && write_ppm(words[2], &image);
  if (!good) {
    fprintf(stderr, "%s\n", error.message);
  } else if (!written) {
    fprintf(stderr, "%s cannot be written\n", words[2]);
  } else {
    printf("%d x %d of %d x %d, rows %d bytes apart\n", (int)image.cols, (int)image.rows,
           whole.width, whole.height, (int)image.step);
  }
  vc_owner_release(&owner); /* calls the tensor's deleter, which frees the pixels */
  return written ? EXIT_SUCCESS : EXIT_FAILURE;
}
