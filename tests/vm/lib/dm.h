/* SPDX-License-Identifier: GPL-2.0 */
/*
 * device-mapper devices, by its ioctls one at a time. What returns int returns 0 or the negative
 * errno of the ioctl. A table is lines "<start> <length> <type> <arguments>".
 */
#ifndef VM_DM_H
#define VM_DM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Must be called once, before the rest. */
void dm_setup(void);
void dm_make_nodes(void); /* those in /dev that are missing */

int dm_make(const char *name); /* a device without a table */
int dm_load(const char *name, const char *table);
int dm_clear(const char *name);
int dm_suspend(const char *name);
int dm_resume(const char *name);
int dm_remove(const char *name); /* tries for a while, as long as it is in use */
int dm_rename(const char *name, const char *new_name);
/* All of it; a failure leaves no device behind. */
int dm_create(const char *name, const char *table);
int dm_create_read_only(const char *name, const char *table);
/* Loads, suspends and resumes. */
int dm_reload(const char *name, const char *table);

/* The line of the first target, without start, length and type. */
int dm_status(const char *name, char *text, size_t size);
int dm_table(const char *name, char *text, size_t size);
int dm_inactive_status(const char *name, char *text, size_t size);
int dm_inactive_table(const char *name, char *text, size_t size);
int dm_message(const char *name, const char *message, char *answer, size_t size);
uint32_t dm_event_nr(const char *name);
int dm_wait_event(const char *name, uint32_t event_nr);
int dm_open_count(const char *name);
/* Whether the device depends on that device number. */
bool dm_depends_on(const char *name, uint64_t device);

#endif
