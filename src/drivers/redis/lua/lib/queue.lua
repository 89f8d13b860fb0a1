-- The queue of a lock. Expects lib/state.lua, and counted: whether the server tells how many subscribe to a channel.
local PLACE = '^(%S+) (%a) (%d+) (%d+) (%d+) (%S+) (.*)$'
-- Lua is not to be interrupted: so many places one run looks at, drops and grants to.
local STEPS, DROPS, GRANTS = 10000, 1000, 128
-- Who waits looks by itself within so many ms.
local LOOK_MS = 5000

-- Places are read ahead, each time twice as far. False: it was removed.
local records, ahead = {}, 1
local function place_at(n)
  if records[n] == nil then
    local names = {}
    for i = n, math.min(next_place, n + ahead) - 1 do names[#names + 1] = '#' .. i end
    for i, record in ipairs(redis.call('HMGET', lock, unpack(names))) do
      if records[n + i - 1] == nil then records[n + i - 1] = record end
    end
    ahead = math.min(2 * ahead, 64)
  end
  if records[n] then return string.match(records[n], PLACE) end
end

local stamps = {}
local function stamp_of(process, record)
  local stamp = stamps[process]
  if not stamp then
    record = record or redis.call('HGET', lock, '~' .. process) or '0 0 0'
    local count, stale, missing = string.match(record, '^(%d+) (%d+) (%d+)$')
    stamp = {count = tonumber(count), stale = tonumber(stale), missing = tonumber(missing), changed = false, state = false}
    stamps[process] = stamp
  end
  return stamp
end

local function remove_place(n, token, process)
  put('#' .. n, false)
  put('@' .. token, false)
  records[n] = false
  places = places - 1
  if n == first then first = first + 1 end
  local stamp = stamp_of(process)
  stamp.count, stamp.changed = stamp.count - 1, true
end

-- Removes the places that these tokens have.
local function give_up_places(tokens)
  if not queue or #tokens == 0 then return end
  local names = {}
  for i, token in ipairs(tokens) do names[i] = '@' .. token end
  local numbers = redis.call('HMGET', lock, unpack(names))
  for i, token in ipairs(tokens) do
    local n = tonumber(numbers[i])
    if n and records[n] ~= false then
      local _, _, _, _, _, process = place_at(n)
      remove_place(n, token, process)
    end
  end
end

-- 'here'; 'missing': it may be reconnecting; 'gone': its places are dropped.
local function state_of(process)
  local stamp = stamp_of(process)
  if stamp.state then return stamp.state end
  stamp.state = 'here'
  if stamp.stale <= now then
    stamp.state = 'gone'
  elseif counted and redis.call('PUBSUB', 'NUMSUB', 'latchkey:' .. process)[2] == 0 then
    local since = stamp.missing
    if since == 0 then stamp.missing, stamp.changed = now, true end
    stamp.state = since > 0 and since + MISSING_MS <= now and 'gone' or 'missing'
  end
  return stamp.state
end

-- The tokens of the places from the first on that are writers of this process.
local function run_of(process)
  local tokens = {}
  for n = first, math.min(next_place, first + 4 * FENCES) - 1 do
    local token, mode, _, _, _, owner = place_at(n)
    if token then
      if owner ~= process or mode ~= 'w' or #tokens == FENCES then break end
      tokens[#tokens + 1] = token
    end
  end
  return table.concat(tokens, ',')
end

-- Whether a rest, or the time of a hold, may be over before those who wait look by themselves.
local function ends_soon()
  return hold_token == '-' or hold and string.find(hold, '^%d+ %d+ r ') or inside > 0 and earliest <= now + LOOK_MS
end

-- Hands the lock to the places at the head that fit, and fills messages; none for the place whose token is "own".
-- Answers whether a place that lives still waits, whether there may be more to do, and the fence of "own" if it came in.
local channels, messages = {}, {}
local function admit(own)
  local granted, dropped, own_fence = 0, 0, nil
  local n, began, last_step = first, first, first + STEPS
  while n < next_place do
    if hold then return true, false, own_fence end
    if granted == GRANTS or dropped == DROPS or n == last_step then
      return true, granted + dropped > 0 or first > began, own_fence
    end
    local token, mode, limit, ttl, _, process, meta = place_at(n)
    local state = token and state_of(process)
    if not token then
      if n == first then first = first + 1 end
    elseif state == 'gone' then
      remove_place(n, token, process)
      dropped = dropped + 1
    elseif state == 'here' then
      limit = tonumber(limit)
      if inside > 0 and (mode == 'w' or limit > 0 and inside >= limit) then return true, false, own_fence end
      remove_place(n, token, process)
      local fence = enter(token, mode, limit, ttl, process, meta)
      granted = granted + 1
      if token == own then
        own_fence = fence
      else
        local run = mode == 'w' and run_of(process) or ''
        if not messages[process] then
          channels[#channels + 1], messages[process] = process, {}
        end
        table.insert(messages[process],
          'granted ' .. string.format('%.0f', fence) .. ' ' .. token .. ' ' .. run .. ' ' .. lock)
      end
    end
    n = n + 1
  end
  return hold and true or false, false, own_fence
end

-- As admit. Where one comes in while others end soon, the next is told when: only the first in the queue was, if anybody.
local tells = false
local function hand_over(own)
  local soon, before = ends_soon(), inside
  local blocked, more, own_fence = admit(own)
  tells = tells or soon and inside > before
  return blocked, more, own_fence
end

-- Tells the first process in the queue that hears it when the lock will be free. Only after save.
local function tell_when_free()
  for n = first, math.min(next_place, first + STEPS) - 1 do
    local token, _, limit, _, _, process = place_at(n)
    if token and state_of(process) == 'here' then
      redis.call('PUBLISH', 'latchkey:' .. process, 'look ' .. time_left(tonumber(limit)) .. ' ' .. lock)
      return
    end
  end
end

-- Writes what has changed, and then tells the processes of those who were handed the lock, and who is to look when.
local function finish(claims)
  for process, stamp in pairs(stamps) do
    if stamp.changed then
      put('~' .. process, stamp.count > 0 and stamp.count .. ' ' .. stamp.stale .. ' ' .. stamp.missing)
    end
  end
  save(claims)
  -- Redis writes first to the client that it has last something for: so the first in the queue hears first.
  for i = #channels, 1, -1 do
    for _, message in ipairs(messages[channels[i]]) do redis.call('PUBLISH', 'latchkey:' .. channels[i], message) end
  end
  if tells then tell_when_free() end
end
