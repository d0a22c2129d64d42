-- People in the shop: mostly the list of products, at times the page of it, which asks two services.
local number = 0
local list, page

function init()
  list = wrk.format("GET", "/api/products")
  page = wrk.format("GET", "/")
end

function request()
  number = number + 1
  if number % 20 == 0 then
    return page
  end
  return list
end
