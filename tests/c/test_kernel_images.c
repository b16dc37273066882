/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled kernels of this library: there is an image for each architecture that it
 * promises, and each image holds every kernel that the dispatcher may ask for and no other.
 * Skipped where the library was built without kernels. */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "transform/dispatch.h"
#include "transform/embedded_kernels.h"

enum { SKIPPED = 77, CUDA_MACHINE = 190 };

static bool is_known(const char *name) {
  for (int32_t i = 0; i < vc_kernel_count; i++) {
    if (strcmp(vc_kernel_names[i], name) == 0) return true;
  }
  return false;
}

static bool check_kernel(bool found, const vc_kernel_image *image, const char *name) {
  if (!CHECK(found)) fprintf(stderr, "  %s, %s\n", image->name, name);
  return found;
}

/* --- machine code: an ELF file whose functions are the kernels */

static Elf64_Shdr section(const vc_kernel_image *image, unsigned index) {
  const Elf64_Ehdr *head = image->bytes;
  Elf64_Shdr out;
  memcpy(&out, (const char *)image->bytes + head->e_shoff + index * sizeof out, sizeof out);
  CHECK(out.sh_type == SHT_NOBITS || out.sh_offset + out.sh_size <= image->size);
  return out;
}

static Elf64_Shdr find_section(const vc_kernel_image *image, unsigned type) {
  const Elf64_Ehdr *head = image->bytes;
  for (unsigned i = 0; i < head->e_shnum; i++) {
    Elf64_Shdr each = section(image, i);
    if (each.sh_type == type) return each;
  }
  CHECK(!"a section is missing");
  return (Elf64_Shdr){0};
}

/* How many functions have the name; with NULL: how many are kernels, which all should be. */
static int count_functions(const vc_kernel_image *image, const char *name) {
  Elf64_Shdr symbols = find_section(image, SHT_SYMTAB), names = section(image, symbols.sh_link);
  const char *bytes = image->bytes;
  int count = 0;
  for (size_t at = 0; at < symbols.sh_size; at += sizeof(Elf64_Sym)) {
    Elf64_Sym each;
    memcpy(&each, bytes + symbols.sh_offset + at, sizeof each);
    const char *found = bytes + names.sh_offset + each.st_name;
    /* What kernels call within an image is weak. */
    if (each.st_info != ELF64_ST_INFO(STB_GLOBAL, STT_FUNC)) continue;
    if (name ? strcmp(found, name) == 0 : check_kernel(is_known(found), image, found)) count++;
  }
  return count;
}

static void check_machine_code(const vc_kernel_image *image) {
  const Elf64_Ehdr *head = image->bytes;
  CHECK(memcmp(head->e_ident, ELFMAG, SELFMAG) == 0);
  CHECK_INT(head->e_machine, CUDA_MACHINE);
  /* The architecture's place in the flags, until CUDA 12 and since 13. */
  CHECK_INT(head->e_flags >> (head->e_ident[EI_ABIVERSION] < 8 ? 0 : 8) & 0xff, image->capability);
  CHECK_INT(count_functions(image, NULL), vc_kernel_count);
  for (int32_t i = 0; i < vc_kernel_count; i++) {
    check_kernel(count_functions(image, vc_kernel_names[i]) == 1, image, vc_kernel_names[i]);
  }
}

/* --- PTX: text that ends with a zero byte */

static int count_texts(const char *text, const char *part) {
  int count = 0;
  while ((text = strstr(text, part))) text += strlen(part), count++;
  return count;
}

static void check_ptx(const vc_kernel_image *image) {
  const char *text = image->bytes;
  char line[128];
  CHECK_INT(strlen(text) + 1, image->size);
  snprintf(line, sizeof line, ".target sm_%d\n", (int)image->capability);
  CHECK(strstr(text, line) != NULL);
  CHECK_INT(count_texts(text, ".visible .entry "), vc_kernel_count);
  for (int32_t i = 0; i < vc_kernel_count; i++) {
    snprintf(line, sizeof line, ".visible .entry %s(", vc_kernel_names[i]);
    check_kernel(count_texts(text, line) == 1, image, vc_kernel_names[i]);
  }
}

/* --- the table */

static void check_table(void) {
  char names[256] = "", name[32];
  int machines = 0;
  for (int32_t i = 0; i < vc_kernel_image_count; i++) {
    const vc_kernel_image *each = &vc_kernel_images[i];
    snprintf(name, sizeof name, "%s_%d", each->is_ptx ? "compute" : "sm", (int)each->capability);
    CHECK_TEXT(each->name, name);
    CHECK_INT((uintptr_t)each->bytes % 64, 0);
    if (i > 0 && !each->is_ptx) CHECK(each[-1].capability < each->capability && !each[-1].is_ptx);
    snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? " " : "", name);
    machines += !each->is_ptx;
  }
  CHECK_TEXT(vc_kernels_names, names);
  CHECK_TEXT(vc_transform_kernels(), names);
  CHECK_INT(machines, vc_kernel_image_count - 1);
  CHECK(atof(vc_kernels_compiler) >= 12);
}

int main(void) {
  if (vc_kernel_image_count == 0) return SKIPPED;
  check_table();
  CHECK_TEXT(vc_kernels_names, "sm_75 sm_80 sm_87 sm_90 sm_100 sm_120 compute_90");
  for (int32_t i = 0; i < vc_kernel_image_count; i++) {
    const vc_kernel_image *each = &vc_kernel_images[i];
    each->is_ptx ? check_ptx(each) : check_machine_code(each);
  }
  return check_report();
}
