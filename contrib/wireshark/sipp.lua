-- SPDX-License-Identifier: BSD-2-Clause
-- Wireshark dissector for SIPP (docs/sipp.md): header, Routing Header, ICMP.
--
--   tshark -X lua_script:contrib/wireshark/sipp.lua -r capture.pcap -Y sipp
--   or copy it into Wireshark's personal Lua plugin folder.
--
-- sipp.route is the route sequence in the notation of 1993, "S.H, Q.D, *Q.E, S.I", with the words of
-- a names file (preference sipp.names). Preference sipp.tunnels reads protocol 41 in IPv4 as SIPP;
-- it is off at first, since IPv6 has that number and the same version today.

local sipp = Proto("sipp", "Simple Internet Protocol Plus")

local HEADER, ROUTING, ROUTING_MAX = 24, 8, 30
local payload_types = { [1] = "ICMP", [4] = "IPv4", [6] = "TCP", [17] = "UDP", [41] = "SIPP",
                        [43] = "Routing Header" }
local icmp_types = { [0] = "Echo Reply", [3] = "Unreachable", [8] = "Echo", [11] = "Time Exceeded",
                     [12] = "Parameter Problem", [33] = "Where-Are-You", [34] = "I-Am-Here",
                     [35] = "Registration Request", [36] = "Registration Reply",
                     [253] = "Configuration" }
local presence = { [0] = "host", [1] = "router", [2] = "base station" }

sipp.prefs.names = Pref.string("Names file", "", "Words for addresses: lines of NAME ADDRESS[/LENGTH]")
sipp.prefs.tunnels = Pref.bool("Protocol 41 is SIPP", false, "Read IPv4 protocol 41 as SIPP, not IPv6")

local f = sipp.fields
f.version = ProtoField.uint8("sipp.version", "Version", base.DEC, nil, 0xf0)
f.flow = ProtoField.uint32("sipp.flow", "Flow label", base.HEX, nil, 0x0fffffff)
f.length = ProtoField.uint16("sipp.length", "Payload length")
f.payload_type = ProtoField.uint8("sipp.payload_type", "Payload type", base.DEC, payload_types)
f.hop_limit = ProtoField.uint8("sipp.hop_limit", "Hop limit")
f.source = ProtoField.string("sipp.source", "Source")
f.destination = ProtoField.string("sipp.destination", "Destination (active)")
f.route = ProtoField.string("sipp.route", "Route sequence")
f.count = ProtoField.uint8("sipp.routing.count", "Num addrs")
f.next = ProtoField.uint8("sipp.routing.next", "Next addr")
f.address = ProtoField.string("sipp.routing.address", "Address")
f.icmp_type = ProtoField.uint8("sipp.icmp.type", "Type", base.DEC, icmp_types)
f.icmp_code = ProtoField.uint8("sipp.icmp.code", "Code")
f.icmp_checksum = ProtoField.uint16("sipp.icmp.checksum", "Checksum", base.HEX)
f.parameter = ProtoField.uint32("sipp.icmp.parameter", "Parameter")
f.identifier = ProtoField.uint16("sipp.icmp.identifier", "Identifier")
f.number = ProtoField.uint64("sipp.icmp.number", "Number")
f.lifetime = ProtoField.uint16("sipp.icmp.lifetime", "Lifetime (s)")
f.link = ProtoField.ether("sipp.icmp.link", "Link address")
f.sought = ProtoField.string("sipp.icmp.sought", "Address sought")
f.identity = ProtoField.string("sipp.icmp.identity", "Identifying address")
f.prefix = ProtoField.string("sipp.icmp.prefix", "Prefix")
f.mobile = ProtoField.string("sipp.icmp.mobile", "Mobile host")
f.base = ProtoField.string("sipp.icmp.base", "Base station")
f.given = ProtoField.string("sipp.icmp.given", "Address given")
f.authenticator = ProtoField.bytes("sipp.icmp.authenticator", "Authenticator")

local malformed = ProtoExpert.new("sipp.malformed", "Not well-formed SIPP", expert.group.MALFORMED,
                                  expert.severity.ERROR)
local bad_checksum = ProtoExpert.new("sipp.icmp.bad_checksum", "Wrong checksum",
                                     expert.group.CHECKSUM, expert.severity.ERROR)
sipp.experts = { malformed, bad_checksum }

-- ---- names: "0080000000000000" -> "P.0"

local words = {}

local function groups(hex)
    return hex:sub(1, 4) .. ":" .. hex:sub(5, 8) .. ":" .. hex:sub(9, 12) .. ":" .. hex:sub(13, 16)
end

-- Adds `number` at bits start .. start+width-1 to a hexadecimal address.
local function with_number(hex, start, width, number)
    local shift = 64 - start - width
    local sum = UInt64.fromhex(hex) + (UInt64(number % 4294967296, math.floor(number / 4294967296))
                                       :lshift(shift))
    return sum:tohex()
end

local function read_names(path)
    words = {}
    local file = path ~= "" and io.open(path) or nil
    if not file then return end
    local prefixes = {}
    for line in file:lines() do
        local name, value = line:gsub("#.*", ""):match("^%s*(%S+)%s+(%S+)")
        local number, width = (value or ""):match("^%+(%w+)/(%d+)$")
        local hex, length = (value or ""):match("^([%x:]+)/?(%d*)$")
        local parent = name and prefixes[name:match("^(.*)%.[^.]*$") or ""]
        if number and parent then
            prefixes[name] = { with_number(parent[1], parent[2], tonumber(width), tonumber(number)),
                               parent[2] + tonumber(width) }
        elseif hex then
            prefixes[name] = { hex:gsub(":", ""):lower(), tonumber(length) or 64 }
        end
        local entry = name and prefixes[name]
        if entry and (not words[entry[1]] or words[entry[1]].length < entry[2]) then
            words[entry[1]] = { length = entry[2], text = name .. (entry[2] < 64 and ".0" or "") }
        end
    end
    file:close()
end

local function word(range)
    local hex = range:bytes():tohex(true)
    return words[hex] and words[hex].text or groups(hex)
end

-- ---- checksum over the pseudo-header

-- Sums the 16-bit words of a range; of an address with the C-bit only the low half counts.
local function sum_words(range)
    local total = 0
    for i = 0, range:len() - 2, 2 do total = total + range(i, 2):uint() end
    if range:len() % 2 == 1 then total = total + range(range:len() - 1, 1):uint() * 256 end
    return total
end

local function sum_address(range)
    return range(0, 1):uint() >= 128 and sum_words(range(4, 4)) or sum_words(range)
end

local function checksum_good(first, last, payload)
    local total = sum_address(first) + sum_address(last) + payload:len() + 1 + sum_words(payload)
    while total > 0xffff do total = total % 0x10000 + math.floor(total / 0x10000) end
    return total == 0xffff
end

-- ---- ICMP

local dissect

local bodies = {}

local function echo(body, tree)
    tree:add(f.identifier, body(0, 2))
    tree:add(f.number, body(2, 2), UInt64(body(2, 2):uint()))
end
bodies[0], bodies[8] = echo, echo

local function report(body, tree, pinfo)
    tree:add(f.parameter, body(0, 4))
    if body:len() > 4 then
        dissect(body(4):tvb(), pinfo, tree:add(sipp, body(4), "The packet it is about"), true)
    end
end
bodies[3], bodies[11], bodies[12] = report, report, report

bodies[33] = function(body, tree)
    tree:add(f.link, body(2, 6))
    tree:add(f.sought, body(8, 8), word(body(8, 8)))
end

bodies[34] = function(body, tree)
    tree:add(f.lifetime, body(0, 2))
    tree:add(f.link, body(2, 6))
    tree:add(f.identity, body(8, 8), word(body(8, 8)))
    for i = 0, body(16, 1):uint() - 1 do
        local at = body(20 + 12 * i, 12)
        tree:add(f.prefix, at, word(at(0, 8)) .. "/" .. at(8, 1):uint())
    end
end

local function registration(body, tree)
    tree:add(f.lifetime, body(0, 2))
    tree:add(f.number, body(4, 8))
    tree:add(f.mobile, body(12, 8), word(body(12, 8)))
    tree:add(f.base, body(20, 8), word(body(20, 8)))
    tree:add(f.authenticator, body(28, 32))
end
bodies[35], bodies[36] = registration, registration

bodies[253] = function(body, tree)
    tree:add(f.number, body(4, 8))
    tree:add(f.link, body(14, 6))
    for i = 0, body(20, 1):uint() - 1 do
        tree:add(f.given, body(24 + 8 * i, 8), word(body(24 + 8 * i, 8)))
    end
end

local function dissect_icmp(payload, pinfo, tree, first, last, quoted)
    local branch = tree:add(sipp, payload, "ICMP")
    local kind, code = payload(0, 1):uint(), payload(1, 1):uint()
    branch:add(f.icmp_type, payload(0, 1))
    branch:add(f.icmp_code, payload(1, 1))
    local sum = branch:add(f.icmp_checksum, payload(2, 2))
    if not quoted then
        local text = icmp_types[kind] or ("ICMP type " .. kind)
        if kind == 34 then text = text .. " (" .. (presence[code] or "?") .. ")" end
        pinfo.cols.info:prepend(text .. "  ")
        if not checksum_good(first, last, payload) then sum:add_proto_expert_info(bad_checksum) end
    end
    if bodies[kind] then bodies[kind](payload(4), branch, pinfo) end
end

-- ---- the packet

-- The addresses in route order: source, what was active, the active one (third result), the rest.
local function route_ranges(buffer, routing)
    local ranges = { buffer(8, 8) }
    if not routing then
        ranges[2] = buffer(16, 8)
        return ranges, 2
    end
    local count, following = routing(4, 1):uint(), routing(5, 1):uint()
    for i = 0, count do
        if i == following then ranges[#ranges + 1] = buffer(16, 8) end
        if i < count then ranges[#ranges + 1] = routing(ROUTING + 8 * i, 8) end
    end
    return ranges, following + 2
end

local function dissect_routing(routing, tree)
    local count = routing(4, 1):uint()
    local branch = tree:add(sipp, routing(0, ROUTING + 8 * count), "Routing Header")
    branch:add(f.count, routing(4, 1))
    branch:add(f.next, routing(5, 1))
    branch:add(f.payload_type, routing(6, 1))
    for i = 0, count - 1 do
        local at = routing(ROUTING + 8 * i, 8)
        branch:add(f.address, at, word(at))
    end
end

dissect = function(buffer, pinfo, tree, quoted)
    local function complain() tree:add_proto_expert_info(malformed) end
    if buffer:len() < HEADER or buffer(0, 1):uint() >= 0x70 or buffer(0, 1):uint() < 0x60 then
        return complain()
    end
    local length, kind = buffer(4, 2):uint(), buffer(6, 1):uint()
    local there = math.min(length, buffer:len() - HEADER)
    if there < length and not quoted then complain() end
    tree:add(f.version, buffer(0, 1))
    tree:add(f.flow, buffer(0, 4))
    tree:add(f.length, buffer(4, 2))
    tree:add(f.payload_type, buffer(6, 1))
    tree:add(f.hop_limit, buffer(7, 1))
    tree:add(f.source, buffer(8, 8), word(buffer(8, 8)))
    tree:add(f.destination, buffer(16, 8), word(buffer(16, 8)))
    local offset, routing = HEADER, nil
    if kind == 43 then
        if there < ROUTING then return complain() end
        routing = buffer(HEADER, there)
        local count, following = routing(4, 1):uint(), routing(5, 1):uint()
        if there < ROUTING + 8 * count or following > count or count > ROUTING_MAX then
            return complain()
        end
        dissect_routing(routing, tree)
        kind = routing(6, 1):uint()
        offset = HEADER + ROUTING + 8 * count
    end
    local ranges, active = route_ranges(buffer, routing)
    local parts = {}
    for i, range in ipairs(ranges) do
        parts[i] = (i == active and "*" or "") .. word(range)
    end
    local route = table.concat(parts, ", ")
    tree:add(f.route, buffer(8, 16), route)
    if not quoted then pinfo.cols.info = route end
    local rest = HEADER + there - offset
    if rest <= 0 then return end
    local payload = buffer(offset, rest)
    if kind == 1 and rest >= 4 then
        dissect_icmp(payload, pinfo, tree, ranges[1], ranges[#ranges], quoted)
    elseif kind == 41 and not quoted then
        dissect(payload:tvb(), pinfo, tree:add(sipp, payload, "The packet in the tunnel"), true)
    elseif kind == 4 and not quoted then
        Dissector.get("ip"):call(payload:tvb(), pinfo, tree)
    end
end

local names_read

function sipp.dissector(buffer, pinfo, tree)
    if sipp.prefs.names ~= names_read then
        names_read = sipp.prefs.names
        read_names(names_read)
    end
    pinfo.cols.protocol = "SIPP"
    dissect(buffer, pinfo, tree:add(sipp, buffer(), "Simple Internet Protocol Plus"), false)
    return buffer:len()
end

function sipp.prefs_changed()
    local table = DissectorTable.get("ip.proto")
    if sipp.prefs.tunnels then
        table:add(41, sipp)
    else
        table:remove(41, sipp)
        table:add(41, Dissector.get("ipv6"))
    end
end

DissectorTable.get("ethertype"):add(0x88b5, sipp)
