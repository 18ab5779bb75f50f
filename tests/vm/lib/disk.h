/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Disks that fail on request. All of them abort the program when they can't be made: then there is
 * nothing to test.
 */
#ifndef VM_DISK_H
#define VM_DISK_H

#include <stdbool.h>
#include <stdint.h>

/* A null_blk disk that keeps its data in memory. */
struct disk_options {
	unsigned int mib;
	unsigned int block_bytes; /* 0: 512 */
	unsigned int cache_mib;   /* a volatile write cache; 0: none */
	bool discard;
	bool zoned;
};

struct disk {
	char name[32]; /* /dev/<name> */
	char path[64];
	uint64_t sectors;
};

void disk_make(struct disk *disk, const char *name, const struct disk_options *options);
void disk_end(struct disk *disk);
/* These sectors fail, for reads and writes; or work again. */
void disk_break(const struct disk *disk, uint64_t sector, uint64_t count);
void disk_mend(const struct disk *disk, uint64_t sector, uint64_t count);
/* Off and on again: what only the cache held is gone. Nobody may have it open. */
void disk_power_cycle(const struct disk *disk);
uint64_t disk_flushes(const struct disk *disk);

/* A scsi_debug disk with these parameters; its name goes to @name. */
void scsi_make(char *name, unsigned int size, const char *parameters);
void scsi_end(void);

/* One line to a file of sysfs, procfs or configfs; and its first line back. */
void put_file(const char *path, const char *text);
bool try_put_file(const char *path, const char *text);
void get_file(const char *path, char *text, unsigned int size);
/* A shell command that must succeed. */
void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What the kernel log says from now on. */
int kmsg_open(void);
bool kmsg_says(int fd, const char *word); /* since kmsg_open() or the last call that found it */

#endif
