-- SPDX-License-Identifier: BSD-2-Clause
-- Wireshark dissector for the Ivip protocol, version 1 (docs/protocol.md).
--
--   tshark -X lua_script:contrib/wireshark/ivip.lua -r capture.pcap -Y ivip
--   or copy it into Wireshark's personal Lua plugin folder.
--
-- Fields are named ivip.*, so filters read like the document: ivip.type == 3, ivip.status == 0,
-- ivip.mab, ivip.range, ivip.etr. What does not follow the protocol gets an expert mark.

local ivip = Proto("ivip", "Ivip")

local MAGIC = 0x4976
local VERSION = 1
local QUERY_HEADER = 40
local PAYLOAD_HEADER = 40
local SIGNATURE = 64

local types = {
    [1] = "Map Request", [2] = "Map Request Ack", [3] = "Map Reply", [4] = "Map Reply Ack",
    [5] = "Cache Update", [6] = "Cache Update Ack", [7] = "Alive Request", [8] = "Alive Reply",
    [9] = "Page Request", [10] = "Page Reply", [32] = "Payload",
}
local statuses = {
    [0] = "mapped", [1] = "zero", [2] = "not in a MAB", [3] = "try another", [4] = "busy",
    [5] = "flush",
}
local page_statuses = { [0] = "found", [1] = "none", [2] = "unknown", [3] = "longer" }
local sections = { [1] = "updates", [2] = "heartbeat", [3] = "snapshot", [4] = "state" }
local kinds = { [1] = "map", [2] = "define", [3] = "split", [4] = "join", [5] = "delete" }
local extensions = { [0] = "padding", [1] = "alternative", [2] = "released", [3] = "flushed" }

local f = ivip.fields
f.magic = ProtoField.uint16("ivip.magic", "Magic", base.HEX)
f.version = ProtoField.uint8("ivip.version", "Version")
f.type = ProtoField.uint8("ivip.type", "Type", base.DEC, types)
f.length = ProtoField.uint16("ivip.length", "Length")
f.flags = ProtoField.uint16("ivip.flags", "Flags", base.HEX)
f.nonce = ProtoField.uint64("ivip.nonce", "Nonce", base.HEX)
f.token = ProtoField.uint64("ivip.token", "Token", base.HEX)
f.querier_sequence = ProtoField.uint32("ivip.querier_sequence", "Querier sequence")
f.server_sequence = ProtoField.uint32("ivip.server_sequence", "Server sequence")
f.instance = ProtoField.uint64("ivip.instance", "Boot instance", base.HEX)
f.question = ProtoField.string("ivip.question", "Address asked for")
f.status = ProtoField.uint8("ivip.status", "Status", base.DEC, statuses)
f.load = ProtoField.uint8("ivip.load", "Load")
f.caching = ProtoField.uint32("ivip.caching_ms", "Caching time left (ms)")
f.range = ProtoField.string("ivip.range", "Range")
f.etr = ProtoField.string("ivip.etr", "ETR")
f.mab_sequence = ProtoField.uint64("ivip.mab_sequence", "MAB sequence")
f.extension = ProtoField.uint16("ivip.extension", "Extension", base.DEC, extensions)
f.alternative = ProtoField.string("ivip.alternative", "Alternative server")
f.released = ProtoField.uint64("ivip.released", "Released nonce", base.HEX)
f.flushed = ProtoField.uint64("ivip.flushed", "Flushed nonce", base.HEX)
f.page = ProtoField.string("ivip.page", "Page")
f.page_root = ProtoField.string("ivip.page.root", "Root in force")
f.page_level = ProtoField.uint8("ivip.page.level", "Level of the root")
f.page_status = ProtoField.uint8("ivip.page.status", "Status", base.DEC, page_statuses)
f.page_length = ProtoField.uint16("ivip.page.length", "Length of the page")
f.page_entry = ProtoField.string("ivip.page.entry", "Entry")
f.ruas = ProtoField.uint64("ivip.ruas", "RUAS", base.HEX)
f.epoch = ProtoField.uint64("ivip.epoch", "Epoch")
f.sequence = ProtoField.uint64("ivip.sequence", "Payload sequence")
f.time = ProtoField.absolute_time("ivip.time", "Time")
f.section = ProtoField.uint8("ivip.section", "Section", base.DEC, sections)
f.critical = ProtoField.bool("ivip.section.critical", "Critical", 8, nil, 0x01)
f.mab = ProtoField.string("ivip.mab", "MAB")
f.part = ProtoField.uint16("ivip.part", "Part")
f.parts = ProtoField.uint16("ivip.parts", "Parts")
f.update = ProtoField.uint8("ivip.update", "Update", base.DEC, kinds)
f.split_at = ProtoField.string("ivip.split_at", "Second part starts at")
f.hash = ProtoField.bytes("ivip.hash", "Running hash")
f.micronets = ProtoField.uint64("ivip.micronets", "Micronets")
f.signature = ProtoField.bytes("ivip.signature", "Signature")

local malformed = ProtoExpert.new("ivip.malformed", "Does not follow the protocol",
    expert.group.MALFORMED, expert.severity.ERROR)
ivip.experts = { malformed }

local function ipv4_text(octets)
    return string.format("%d.%d.%d.%d", octets:get_index(0), octets:get_index(1),
        octets:get_index(2), octets:get_index(3))
end

-- An address in a field of 16 octets, or of its own length.
local function address_text(family, range)
    if family == 0 then
        return "zero"
    elseif family == 4 then
        return ipv4_text(range:bytes())
    elseif family == 6 then
        return tostring(range:range(0, 16):ipv6())
    end
    return "?"
end

-- A unit: 8 octets on the query protocol and in MABs, 4 or 8 in updates.
local function unit_text(family, number)
    if family == 4 then
        local value = number:tonumber()
        return string.format("%d.%d.%d.%d", math.floor(value / 2 ^ 24) % 256,
            math.floor(value / 2 ^ 16) % 256, math.floor(value / 2 ^ 8) % 256, value % 256)
    end
    local hex = number:tohex()
    local groups = {}
    for group in hex:gmatch("%x%x%x%x") do
        groups[#groups + 1] = (group:lower():gsub("^0+(%x)", "%1"))
    end
    return table.concat(groups, ":") .. "::"
end

local function range_text(family, start, length)
    local text = unit_text(family, start)
    if family == 6 then
        text = text .. "/64"
    end
    local count = tostring(length)
    return count == "1" and text or text .. "+" .. count
end

local function mab_text(family, length, upper)
    local number = family == 4 and upper:rshift(32) or upper
    return unit_text(family, number) .. "/" .. length
end

local function dissect_mapping(buffer, tree)
    local family = buffer(41, 1):uint()
    local etr_family = buffer(42, 1):uint()
    tree:add(f.status, buffer(40, 1))
    tree:add(f.load, buffer(43, 1))
    tree:add(f.caching, buffer(44, 4))
    local range = range_text(family, buffer(48, 8):uint64(), buffer(56, 8):uint64())
    tree:add(f.range, buffer(48, 16), range)
    local etr = address_text(etr_family, buffer(64, 16))
    tree:add(f.etr, buffer(64, 16), etr)
    tree:add(f.mab_sequence, buffer(80, 8))
    local status = buffer(40, 1):uint()
    return 88, string.format(" %s %s%s", range, statuses[status] or "status " .. status,
        status == 0 and " to " .. etr or "")
end

local function dissect_extensions(buffer, tree, offset)
    while offset + 4 <= buffer:len() do
        local kind = buffer(offset, 2):uint()
        local length = buffer(offset + 2, 2):uint()
        if offset + 4 + length > buffer:len() then
            tree:add_proto_expert_info(malformed, "an extension runs past the message")
            return
        end
        local item = tree:add(f.extension, buffer(offset, 2))
        if kind == 1 and length == 20 then
            local value = buffer(offset + 4, length)
            item:add(f.alternative, value, string.format("%s port %d",
                address_text(value(0, 1):uint(), value(4, 16)), value(2, 2):uint()))
        elseif kind == 2 and length == 8 then
            item:add(f.released, buffer(offset + 4, length))
        elseif kind == 3 and length == 8 then
            item:add(f.flushed, buffer(offset + 4, length))
        end
        offset = offset + 4 + length
    end
    if offset < buffer:len() then
        tree:add_proto_expert_info(malformed, "octets behind the last extension")
    end
end

local function dissect_query(buffer, tree, kind)
    if buffer:len() < QUERY_HEADER then
        tree:add_proto_expert_info(malformed, "shorter than the query header")
        return ""
    end
    tree:add(f.nonce, buffer(8, 8))
    tree:add(f.token, buffer(16, 8))
    tree:add(f.querier_sequence, buffer(24, 4))
    tree:add(f.server_sequence, buffer(28, 4))
    tree:add(f.instance, buffer(32, 8))
    local offset = QUERY_HEADER
    local info = ""
    if kind == 1 and buffer:len() >= QUERY_HEADER + 20 then
        local question = address_text(buffer(40, 1):uint(), buffer(44, 16))
        tree:add(f.question, buffer(44, 16), question)
        info = " " .. question
        offset = QUERY_HEADER + 20
    elseif (kind == 3 or kind == 5) and buffer:len() >= 88 then
        offset, info = dissect_mapping(buffer, tree)
    elseif kind == 1 or kind == 3 or kind == 5 then
        tree:add_proto_expert_info(malformed, "ends before its body does")
        return info
    end
    dissect_extensions(buffer, tree, offset)
    return info
end

-- The name of a page: 80 bits in base32hex; "" stands for none.
local function page_name(range)
    local digits = "0123456789abcdefghijklmnopqrstuv"
    local bytes = range:bytes()
    local text, bits, held, any = "", 0, 0, false
    for i = 0, 9 do
        local octet = bytes:get_index(i)
        any = any or octet ~= 0
        bits, held = bits * 256 + octet, held + 8
        while held >= 5 do
            held = held - 5
            local digit = math.floor(bits / 2 ^ held)
            bits = bits - digit * 2 ^ held
            text = text .. digits:sub(digit + 1, digit + 1)
        end
    end
    return any and text or ""
end

-- The strings of a page: MABs, refused prefixes, or names of other pages.
local function dissect_page(buffer, tree, offset, behind)
    while offset < behind do
        local length = buffer(offset, 1):uint()
        if offset + 1 + length > behind then
            tree:add_proto_expert_info(malformed, "a string runs past its page")
            return
        end
        local text = length > 0 and buffer(offset + 1, length):string() or ""
        tree:add(f.page_entry, buffer(offset, 1 + length), text)
        offset = offset + 1 + length
    end
end

local function dissect_page_message(buffer, tree, kind)
    if buffer:len() < QUERY_HEADER then
        tree:add_proto_expert_info(malformed, "shorter than the header of page messages")
        return ""
    end
    local name = page_name(buffer(16, 10))
    tree:add(f.nonce, buffer(8, 8))
    tree:add(f.page, buffer(16, 10), name)
    local info = name == "" and " for the root" or " " .. name
    if kind == 9 then
        return info
    end
    local status = buffer(37, 1):uint()
    local length = buffer(38, 2):uint()
    local root = page_name(buffer(26, 10))
    tree:add(f.page_root, buffer(26, 10), root)
    tree:add(f.page_level, buffer(36, 1))
    tree:add(f.page_status, buffer(37, 1))
    tree:add(f.page_length, buffer(38, 2))
    if QUERY_HEADER + length > buffer:len() then
        tree:add_proto_expert_info(malformed, "the page runs past the message")
    elseif length > 0 then
        dissect_page(buffer, tree, QUERY_HEADER, QUERY_HEADER + length)
    end
    return string.format("%s %s, root %s", info, page_statuses[status] or "status " .. status,
        root == "" and "none" or root)
end

-- One update; returns where the next begins, or nil where it does not fit.
local function dissect_update(buffer, tree, offset, family)
    local unit = family == 4 and 4 or 8
    local fixed = 2 + 2 * unit
    if offset + fixed > buffer:len() then
        return nil
    end
    local kind = buffer(offset, 1):uint()
    local etr_family = buffer(offset + 1, 1):uint()
    local behind = kind == 3 and unit or (etr_family == 4 and 4 or etr_family == 6 and 16 or 0)
    if offset + fixed + behind > buffer:len() then
        return nil
    end
    local function number(at)
        return unit == 4 and UInt64(buffer(at, 4):uint()) or buffer(at, 8):uint64()
    end
    local range = range_text(family, number(offset + 2), number(offset + 2 + unit))
    local item = tree:add(f.update, buffer(offset, 1))
    item:set_len(fixed + behind)
    item:append_text(" " .. range)
    item:add(f.range, buffer(offset + 2, 2 * unit), range)
    local tail = buffer(offset + fixed)
    if kind == 1 or kind == 2 then
        local etr = behind == 0 and "zero" or address_text(etr_family, tail(0, behind))
        item:append_text(" to " .. etr)
        item:add(f.etr, buffer(offset + 1, 1), etr)
    elseif kind == 3 then
        item:add(f.split_at, tail(0, unit), unit_text(family, number(offset + fixed)))
    end
    return offset + fixed + behind
end

local function dissect_section(buffer, tree, kind)
    if kind == 1 and buffer:len() >= 24 then
        local family = buffer(0, 1):uint()
        tree:add(f.mab, buffer(8, 8), mab_text(family, buffer(1, 1):uint(), buffer(8, 8):uint64()))
        tree:add(f.part, buffer(2, 2))
        tree:add(f.parts, buffer(4, 2))
        tree:add(f.mab_sequence, buffer(16, 8))
        local offset = 24
        while offset ~= nil and offset < buffer:len() do
            offset = dissect_update(buffer, tree, offset, family)
        end
        if offset == nil then
            tree:add_proto_expert_info(malformed, "an update runs past its section")
        end
    elseif (kind == 3 or kind == 4) and buffer:len() >= 40 then
        tree:add(f.mab, buffer(8, 8),
            mab_text(buffer(0, 1):uint(), buffer(1, 1):uint(), buffer(8, 8):uint64()))
        tree:add(f.mab_sequence, buffer(16, 8))
        tree:add(f.hash, buffer(24, 16))
        if kind == 3 and buffer:len() >= 56 then
            tree:add(f.micronets, buffer(48, 8))
        end
    elseif kind ~= 2 and sections[kind] ~= nil then
        tree:add_proto_expert_info(malformed, "the section is too short")
    end
end

local function dissect_payload(buffer, tree)
    if buffer:len() < PAYLOAD_HEADER + SIGNATURE then
        tree:add_proto_expert_info(malformed, "shorter than header and signature")
        return ""
    end
    tree:add(f.ruas, buffer(8, 8))
    tree:add(f.epoch, buffer(16, 8))
    tree:add(f.sequence, buffer(24, 8))
    local ms = buffer(32, 8):uint64()
    tree:add(f.time, buffer(32, 8), NSTime((ms / 1000):tonumber(), (ms % 1000):tonumber() * 1000000))
    local body_end = buffer:len() - SIGNATURE
    local names = {}
    local offset = PAYLOAD_HEADER
    while offset + 4 <= body_end do
        local kind = buffer(offset, 1):uint()
        local length = buffer(offset + 2, 2):uint()
        if offset + 4 + length > body_end then
            tree:add_proto_expert_info(malformed, "a section runs into the signature")
            break
        end
        local item = tree:add(f.section, buffer(offset, 1))
        item:set_len(4 + length)
        item:add(f.critical, buffer(offset + 1, 1))
        if length > 0 then
            dissect_section(buffer(offset + 4, length):tvb(), item, kind)
        end
        names[#names + 1] = sections[kind] or "section " .. kind
        offset = offset + 4 + length
    end
    tree:add(f.signature, buffer(body_end, SIGNATURE))
    return string.format(" %s.%s: %s", buffer(16, 8):uint64(), buffer(24, 8):uint64(),
        table.concat(names, ", "))
end

function ivip.dissector(buffer, info, root)
    if buffer:len() < 8 or buffer(0, 2):uint() ~= MAGIC then
        return 0
    end
    info.cols.protocol = "Ivip"
    local kind = buffer(3, 1):uint()
    local name = types[kind] or "type " .. kind
    local tree = root:add(ivip, buffer(), "Ivip " .. name)
    tree:add(f.magic, buffer(0, 2))
    tree:add(f.version, buffer(2, 1))
    tree:add(f.type, buffer(3, 1))
    tree:add(f.length, buffer(4, 2))
    tree:add(f.flags, buffer(6, 2))
    if buffer(2, 1):uint() ~= VERSION or types[kind] == nil then
        tree:add_proto_expert_info(malformed, "unknown version or type")
    elseif buffer(4, 2):uint() ~= buffer:len() then
        tree:add_proto_expert_info(malformed, "length field and datagram differ")
    end
    local detail = ""
    if kind == 32 then
        detail = dissect_payload(buffer, tree)
    elseif kind == 9 or kind == 10 then
        detail = dissect_page_message(buffer, tree, kind)
    elseif types[kind] ~= nil then
        detail = dissect_query(buffer, tree, kind)
    end
    info.cols.info = name .. detail
    tree:append_text(detail)
    return buffer:len()
end

local udp = DissectorTable.get("udp.port")
udp:add(4746, ivip)
udp:add(4749, ivip)
