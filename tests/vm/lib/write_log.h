/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What dm-log-writes has logged (the kernel's Documentation/admin-guide/device-mapper/log-writes.rst):
 * the writes in the order in which they became stable. One that was not flushed stands right before
 * the flush that made it so; one with FUA where it ended; and marks where they were sent, so that
 * what follows a mark need not have been stable by then.
 */
#ifndef VM_WRITE_LOG_H
#define VM_WRITE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum { LOG_FLUSH = 1, LOG_FUA = 2, LOG_DISCARD = 4, LOG_MARK = 8 };

struct log_record {
	unsigned int flags;
	uint64_t sector, sectors;
	char *data; /* of these sectors; NULL if there are none: a flush, a mark, a discard */
	unsigned int mark;
};

/* Puts a mark with this number into the log of the dm device. */
void write_log_mark(const char *name, unsigned int number);
/* All of a log, whose dm device must be gone: what it had not written yet is in it then. */
struct log_record *write_log_read(const char *path, unsigned int *n);
void write_log_free(struct log_record *records, unsigned int n);

#endif
