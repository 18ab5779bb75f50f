// SPDX-License-Identifier: GPL-2.0
/*
 * Defaults and module parameters. See config.h.
 */
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>

#include "config.h"
#include "discovery.h"
#include "log.h"

/* Parameters are set before anything of the module runs, so nobody can fill in the defaults first:
 * what was set is marked.
 */
u32 dmr_settings[DMR_CONFIG_ALL];
static unsigned long dmr_is_set;

u32 dmr_default(enum dmr_config config)
{
	return test_bit(config, &dmr_is_set) ? READ_ONCE(dmr_settings[config]) :
					       dmr_config_rule_of(config)->normal;
}

int dmr_line_word(const char *text, char word[DMR_LINE_WORD_BYTES])
{
	const size_t length = strcspn(text, "\n");

	if (length >= DMR_LINE_WORD_BYTES || (text[length] && text[length + 1]))
		return -EINVAL;
	memcpy(word, text, length);
	word[length] = 0;
	return 0;
}

int dmr_config_parse_line(enum dmr_config config, const char *text, u32 *value)
{
	char word[DMR_LINE_WORD_BYTES];

	if (dmr_line_word(text, word))
		return -EINVAL;
	return dmr_config_parse(config, word, value) ? 0 : -EINVAL;
}

int dmr_default_set(enum dmr_config config, const char *text)
{
	u32 value;
	int r;

	r = dmr_config_parse_line(config, text, &value);
	if (r)
		return r;
	WRITE_ONCE(dmr_settings[config], value);
	set_bit(config, &dmr_is_set);
	if (config == DMR_CONFIG_AUTO_SCAN)
		dmr_discovery_watch();
	return 0;
}

void dmr_defaults_fill(struct dmr_arguments *arguments)
{
	unsigned int i;

	for (i = 0; i < DMR_CONFIG_COUNT; i++)
		if (!(arguments->config_given & 1u << i))
			arguments->config[i] = dmr_default(i);
	arguments->config_given = (1u << DMR_CONFIG_COUNT) - 1;
}

static int dmr_param_set(const char *text, const struct kernel_param *param)
{
	return dmr_default_set((enum dmr_config)(unsigned long)param->arg, text);
}

static int dmr_param_get(char *buffer, const struct kernel_param *param)
{
	const enum dmr_config config = (enum dmr_config)(unsigned long)param->arg;
	char text[DMR_CONFIG_TEXT_BYTES];

	return scnprintf(buffer, PAGE_SIZE, "%s\n",
			 dmr_config_print(config, dmr_default(config), text));
}

static const struct kernel_param_ops dmr_param_ops = {
	.set = dmr_param_set,
	.get = dmr_param_get,
};

#define DMR_PARAM(name, config, description)                                        \
	module_param_cb(name, &dmr_param_ops, (void *)(unsigned long)(config), 0644); \
	MODULE_PARM_DESC(name, description)

DMR_PARAM(debug_level, DMR_CONFIG_DEBUG_LEVEL,
	  "what is told in the kernel log, 0 (default) to 3");
DMR_PARAM(auto_scan, DMR_CONFIG_AUTO_SCAN,
	  "1 (default): look for spares when block devices come and go; 0: do not");
/* Of targets that are made later, unless their table says otherwise. */
DMR_PARAM(read_retries, DMR_CONFIG_READ_RETRIES, "tries of a read that failed, 0 to 100");
DMR_PARAM(remap_burst, DMR_CONFIG_REMAP_BURST,
	  "redirections within remap_burst_seconds that mean that all of main fails");
DMR_PARAM(remap_burst_seconds, DMR_CONFIG_REMAP_BURST_SECONDS, "1 to 86400");
DMR_PARAM(auto_remap, DMR_CONFIG_AUTO_REMAP, "0: only messages make redirections");
DMR_PARAM(scan_enabled, DMR_CONFIG_SCAN_ENABLED, "0: no health scanner");
DMR_PARAM(scan_interval_hours, DMR_CONFIG_SCAN_INTERVAL_HOURS,
	  "a pass over a healthy main takes so long, 1 to 87600");
DMR_PARAM(scan_chunk_kib, DMR_CONFIG_SCAN_CHUNK_KIB, "one read of the scanner, 4 to 4096");
DMR_PARAM(scan_duty_ppm, DMR_CONFIG_SCAN_DUTY_PPM,
	  "the scanner's share of main's time beside other I/O, in millionths");
DMR_PARAM(scan_idle_duty_ppm, DMR_CONFIG_SCAN_IDLE_DUTY_PPM, "the same without other I/O");
DMR_PARAM(slow_read_ms, DMR_CONFIG_SLOW_READ_MS,
	  "a place that takes longer to read is redirected, 1 to 600000");
DMR_PARAM(verify_writes, DMR_CONFIG_VERIFY_WRITES,
	  "off, near (to redirected blocks), all: writes that are read back");
DMR_PARAM(spare_low_percent, DMR_CONFIG_SPARE_LOW_PERCENT, "slots used, for an event; 1 to 100");
