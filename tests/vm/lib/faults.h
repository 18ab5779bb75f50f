/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory and I/O that fail on request, by the kernel's fault injection, and the pair that it is done to.
 * Only the kernels of tests/debug have it. What is not as it must be fails the test.
 */
#ifndef VM_FAULTS_H
#define VM_FAULTS_H

#include "pair.h"

#define BAD 4000 /* the bad area that is redirected before a test begins */
#define BAD_COUNT 100
#define USED 13
#define AROUND 3900
#define AROUND_COUNT 300

#define FRESH 40000 /* and one that the test itself redirects */
#define FRESH_COUNT 16384

#define SPARE_MIB 16 /* enough for all these; more takes longer, each time that it is opened */

#define MANY 1000000 /* faults: more than there are places */

extern struct pair faulty;
/* The next block of FRESH: each redirection takes a new one. */
extern uint64_t faulty_fresh;

/* What can fail, and the file to end it: to open that might fail as well. */
struct faults {
	const char *directory;
	int probability;
};
extern struct faults slab_faults, page_faults, io_faults;

/* Before a program's tests: opens those files, and takes the memory that shall not be missing. */
void faults_prepare(void);
void faults_put(const char *directory, const char *name, long number);
long faults_get(const char *directory, const char *name);
void faults_end(const struct faults *faults);
/* I/O of the disk can fail, by io_faults. */
void faults_of_disk(const struct disk *disk, bool can);

/* @faulty, with nothing redirected, and with redirections. */
void faulty_make_blank(void);
void faulty_make(void);
/* Its end, and that of all faults. */
void faulty_end(void);
/* Nothing fails any more, but for main's bad sectors: all is as it was, or can be made so. */
void faulty_is_well(void);

/* All sorts of things are done while every second, third, ... of @faults comes. */
void faults_every_nth(const struct faults *faults, bool of_disks);

#endif
