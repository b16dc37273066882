/* SPDX-License-Identifier: Apache-2.0 */
/* What libFuzzer does, as far as a compiler without it can: runs every file of
 * the corpus, then mutations of them, the same ones for the same seed.
 *
 *     fuzz_NAME [-runs=N] [-seed=N] FILE_OR_FOLDER... */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LONGEST = 512, MOST = 1024 };

typedef struct {
  uint8_t data[LONGEST];
  size_t size;
} sample;

static sample corpus[MOST];
static size_t corpus_size;

static uint64_t state = 1;
static uint32_t pick(uint32_t below) { /* xorshift64* */
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return (uint32_t)((state * UINT64_C(2685821657736338717)) >> 33) % below;
}

static void read_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file || corpus_size == MOST) {
    perror(path);
    exit(2);
  }
  sample *added = &corpus[corpus_size++];
  added->size = fread(added->data, 1, LONGEST, file);
  fclose(file);
}

static void read_all(const char *path) {
  struct stat about;
  char name[4096];
  if (stat(path, &about) == 0 && !S_ISDIR(about.st_mode)) {
    read_file(path);
    return;
  }
  DIR *folder = opendir(path);
  if (!folder) {
    perror(path);
    exit(2);
  }
  for (struct dirent *entry; (entry = readdir(folder));) {
    if (entry->d_name[0] == '.') continue;
    snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
    read_file(name);
  }
  closedir(folder);
}

static void mutate(sample *mutated) {
  const sample *other = &corpus[pick((uint32_t)corpus_size)];
  size_t at = mutated->size ? pick((uint32_t)mutated->size) : 0;
  switch (pick(6)) {
    case 0: /* one bit */ mutated->data[at] ^= (uint8_t)(1 << pick(8)); break;
    case 1: /* one byte */ mutated->data[at] = (uint8_t)pick(256); break;
    case 2: /* longer, by noise */
      for (uint32_t i = pick(16) + 1; i && mutated->size < LONGEST; i--) {
        mutated->data[mutated->size++] = (uint8_t)pick(256);
      }
      break;
    case 3: /* shorter */ mutated->size = at; break;
    case 4: /* the end of another */
      if (other->size > at) {
        memcpy(mutated->data + at, other->data + at, other->size - at);
        mutated->size = other->size;
      }
      break;
    default: /* one byte less */
      if (mutated->size) {
        memmove(mutated->data + at, mutated->data + at + 1, mutated->size - at - 1);
        mutated->size--;
      }
  }
}

static const sample *running; /* written out if the run crashes */

static void run(const sample *each) {
  /* Exactly as long as it is, so that a read beyond the end is found. */
  uint8_t *copy = malloc(each->size ? each->size : 1);
  if (!copy) exit(2);
  memcpy(copy, each->data, each->size);
  running = each;
  LLVMFuzzerTestOneInput(copy, each->size);
  free(copy);
}

static void note_crash(void) {
  if (!running) return;
  FILE *file = fopen("crash-input", "wb");
  if (!file) return;
  fwrite(running->data, 1, running->size, file);
  fclose(file);
  fputs("the input is in the file crash-input\n", stderr);
}

#include <signal.h>
static void on_abort(int number) {
  note_crash();
  signal(number, SIG_DFL);
  raise(number);
}

int main(int count, char **arguments) {
  long runs = 0;
  for (int i = 1; i < count; i++) {
    if (strncmp(arguments[i], "-runs=", 6) == 0)
      runs = atol(arguments[i] + 6);
    else if (strncmp(arguments[i], "-seed=", 6) == 0)
      state = (uint64_t)atol(arguments[i] + 6) | 1;
    else
      read_all(arguments[i]);
  }
  signal(SIGABRT, on_abort);
  signal(SIGSEGV, on_abort);
  if (!corpus_size) corpus_size = 1; /* the empty input */
  for (size_t i = 0; i < corpus_size; i++) run(&corpus[i]);
  for (long i = 0; i < runs; i++) {
    sample mutated = corpus[pick((uint32_t)corpus_size)];
    for (uint32_t turns = 1 + pick(6); turns; turns--) mutate(&mutated);
    run(&mutated);
  }
  running = NULL;
  printf("%zu inputs of the corpus, %ld mutations: no crash\n", corpus_size, runs);
  return 0;
}
