/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is set for the module as a whole, and the defaults for new targets, both by module
 * parameters. What can be set, and to what, is the core's (dm_remap/config.h).
 *
 * Any context that may sleep; a reader sees the old or the new value.
 */
#ifndef DMR_CONFIG_H
#define DMR_CONFIG_H

#include <linux/types.h>

#include "dm_remap/core.h"

/* What a target has whose table doesn't say; of DMR_CONFIG_DEBUG_LEVEL, what is in effect. */
u32 dmr_default(enum dmr_config config);
/* -EINVAL if @text is no value of it; then nothing changes. A line's end behind it is ignored. */
int dmr_default_set(enum dmr_config config, const char *text);
/* Sets what the table line did not. */
void dmr_defaults_fill(struct dmr_arguments *arguments);

/* What a user writes: @text without a line's end behind it. -EINVAL if that is too long for a word
 * of ours, or more than a line. */
#define DMR_LINE_WORD_BYTES 16
int dmr_line_word(const char *text, char word[DMR_LINE_WORD_BYTES]);
/* For what a user writes: as dmr_config_parse(), but a line's end may follow. 0 or -EINVAL. */
int dmr_config_parse_line(enum dmr_config config, const char *text, u32 *value);

#endif
