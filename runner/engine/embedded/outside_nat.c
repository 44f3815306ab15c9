/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/outside_nat.h"

#include <stdbool.h>

#include "base/process.h"
#include "engine/embedded/outside_link.h"
#include "engine/embedded/tool.h"

/* What all devices of all runs begin with. */
#define DEVICE "clnr"

/* FNV-1a; 24 bits of it are what a device's name has room for. */
uint32_t nat_seed(const char *run)
{
    uint32_t hash = 2166136261U;
    for (; *run; run++)
        hash = (hash ^ (unsigned char)*run) * 16777619U;
    return (hash ^ hash >> 24) & 0xffffff;
}

char *nat_device(const char *run, uint32_t number)
{
    return xasprintf(DEVICE "%06x-%u", nat_seed(run), number & 0xfff);
}

static char *block_text(uint32_t block)
{
    return xasprintf("%u.%u.%u.%u/%d", block >> 24, block >> 16 & 255, block >> 8 & 255,
                     block & 255, LINK_BLOCK_BITS);
}

/* Before what is there already: Docker, among others, lets nothing be forwarded by default. */
static char *iptables_rules(const char *run, uint32_t block)
{
    uint32_t id = nat_seed(run);
    _cleanup_free_ char *own = block_text(block);
    return xasprintf("*nat\n"
                     ":CLEANROOM-%06x -\n"
                     "-A CLEANROOM-%06x -s %s ! -o " DEVICE "+ -j MASQUERADE\n"
                     "-I POSTROUTING -j CLEANROOM-%06x\n"
                     "COMMIT\n"
                     "*filter\n"
                     ":CLEANROOM-%06x -\n"
                     "-A CLEANROOM-%06x -i " DEVICE "%06x-+ -o " DEVICE "+ -j DROP\n"
                     "-A CLEANROOM-%06x -i " DEVICE "%06x-+ ! -s %s -j DROP\n"
                     "-A CLEANROOM-%06x -i " DEVICE "%06x-+ -j ACCEPT\n"
                     "-A CLEANROOM-%06x -o " DEVICE "%06x-+ -m conntrack "
                     "--ctstate RELATED,ESTABLISHED -j ACCEPT\n"
                     "-A CLEANROOM-%06x -o " DEVICE "%06x-+ -j DROP\n"
                     "-I FORWARD -j CLEANROOM-%06x\n"
                     "COMMIT\n",
                     id, id, own, id, id, id, id, id, id, own, id, id, id, id, id, id, id);
}

static char *nft_rules(const char *run, uint32_t block)
{
    uint32_t id = nat_seed(run);
    _cleanup_free_ char *own = block_text(block);
    return xasprintf("table ip cleanroom_%06x {\n"
                     "  chain out {\n"
                     "    type nat hook postrouting priority 100;\n"
                     "    ip saddr %s oifname != \"" DEVICE "*\" masquerade\n"
                     "  }\n"
                     "  chain through {\n"
                     "    type filter hook forward priority -5;\n"
                     "    iifname \"" DEVICE "%06x-*\" oifname \"" DEVICE "*\" drop\n"
                     "    iifname \"" DEVICE "%06x-*\" ip saddr != %s drop\n"
                     "    oifname \"" DEVICE "%06x-*\" ct state established,related accept\n"
                     "    oifname \"" DEVICE "%06x-*\" drop\n"
                     "  }\n"
                     "}\n",
                     id, own, id, id, own, id, id);
}

static bool forwarding_is_on(void)
{
    struct strbuf text _cleanup_strbuf_ = STRBUF_INIT;
    return strbuf_read_file(&text, "/proc/sys/net/ipv4/ip_forward", 16) == 0 && text.buf[0] == '1';
}

/* The one that is there; *nft says which. */
static char *find_firewall(bool *nft)
{
    char *tool = process_find_tool("iptables-restore");
    *nft = !tool;
    return tool ? tool : process_find_tool("nft");
}

int nat_possible(struct error *err)
{
    bool nft;
    _cleanup_free_ char *tool = find_firewall(&nft);
    if (!tool)
        return error_set(err, ERROR_ENGINE,
                         "neither iptables nor nft is there to let pods out by the host's NAT: "
                         "install iptables, or passt for --network pasta");
    if (!forwarding_is_on())
        return error_set(err, ERROR_ENGINE,
                         "this host forwards no packets: run 'sysctl -w net.ipv4.ip_forward=1', "
                         "or install passt for --network pasta");
    return 0;
}

int nat_install(const char *run, uint32_t block, struct error *err)
{
    bool nft;
    _cleanup_free_ char *tool = find_firewall(&nft);
    struct strbuf said _cleanup_strbuf_ = STRBUF_INIT;
    if (nat_possible(err) < 0)
        return -1;
    _cleanup_free_ char *rules = nft ? nft_rules(run, block) : iptables_rules(run, block);
    const char *const restore[] = {tool, "-w", "10", "--noflush", NULL};
    const char *const file[] = {tool, "-f", "-", NULL};
    if (tool_run(nft ? file : restore, rules, &said) == 0)
        return 0;
    (void)nat_remove(run);
    return error_set(err, ERROR_ENGINE, "'%s' did not take the rules that let pods out: %s", tool,
                     said.len ? said.buf : "it said nothing");
}

static void remove_iptables(const char *tool, const char *table, const char *from,
                            const char *chain)
{
    const char *const commands[][8] = {
        {tool, "-w10", "-t", table, "-D", from, "-j", chain},
        {tool, "-w10", "-t", table, "-F", chain},
        {tool, "-w10", "-t", table, "-X", chain},
    };
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        const char *argv[ARRAY_SIZE(commands[0]) + 1] = {0};
        memcpy(argv, commands[i], sizeof(commands[i]));
        (void)tool_run(argv, NULL, NULL);
    }
}

/* Both, whichever made them: one may have been installed meanwhile. */
int nat_remove(const char *run)
{
    _cleanup_free_ char *iptables = process_find_tool("iptables"), *nft = process_find_tool("nft");
    _cleanup_free_ char *chain = xasprintf("CLEANROOM-%06x", nat_seed(run));
    _cleanup_free_ char *table = xasprintf("cleanroom_%06x", nat_seed(run));
    int left = 0;
    if (iptables) {
        remove_iptables(iptables, "filter", "FORWARD", chain);
        remove_iptables(iptables, "nat", "POSTROUTING", chain);
        left |= tool_run((const char *const[]){iptables, "-w10", "-nL", chain, NULL}, NULL, NULL) ==
                0;
    }
    if (nft) {
        (void)tool_run((const char *const[]){nft, "delete", "table", "ip", table, NULL}, NULL,
                       NULL);
        left |= tool_run((const char *const[]){nft, "list", "table", "ip", table, NULL}, NULL,
                         NULL) == 0;
    }
    return left ? -1 : 0;
}
