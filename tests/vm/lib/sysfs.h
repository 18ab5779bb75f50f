/* SPDX-License-Identifier: GPL-2.0 */
/*
 * /sys/kernel/dm-remap-v4. A file is named as below that directory, or, with "./" first, as below the
 * directory of the target NAME. What is not as it must be fails the test.
 */
#ifndef VM_SYSFS_H
#define VM_SYSFS_H

#include <stddef.h>

#define SYSFS "/sys/kernel/dm-remap-v4"

/* What can be read only: of the module (the first ten) and of a target. */
#define SYSFS_READABLES 43
extern const char *const sysfs_readable[SYSFS_READABLES];

/* What is in config/ and in a target's config/: values that are taken, and some that are not. */
#define SYSFS_CONFIGS 12
extern const struct sysfs_config {
	const char *file, *good[2], *bad[6];
} sysfs_configs[SYSFS_CONFIGS];

/* "targets/dm-N" of the device of that name; good until the next call. */
const char *sysfs_directory(const char *name);
/* Where the file is; good until the next call. */
const char *sysfs_path(const char *file);

/* The text without its line's end, which it must have; good until the third next call. */
const char *sysfs_text(const char *file);
long long sysfs_number(const char *file);
void sysfs_says(const char *file, const char *text);
/* The same within some seconds. */
void sysfs_becomes(const char *file, const char *text);

/* 0 or a negative errno. */
int sysfs_put(const char *file, const char *text);
int sysfs_put_bytes(const char *file, const char *bytes, size_t size);

/* How many regular files are below that path. */
unsigned int sysfs_files_below(const char *path);

#endif
