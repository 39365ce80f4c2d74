use super::*;
use crate::policy::fixture;
use crate::telemetry::metrics::CoreMetrics;

fn pool(hosts: &[&str]) -> Rc<Pool> {
    let snapshot = fixture::snapshot();
    let mut destination = snapshot.connections[0].destination.clone();
    destination.addresses = hosts.iter().map(|host| Site { host: (*host).to_owned(), port: 80 }).collect();
    Pool::new(&destination, CoreMetrics::default().upstream_pool("c"), 0, Instant::now())
}

fn answer(list: &[&str]) -> Answer {
    Ok(list.iter().map(|address| address.parse().unwrap()).collect())
}

fn addresses(pool: &Pool) -> Vec<String> {
    pool.endpoints.borrow().iter().map(|e| e.address.to_string()).collect()
}

fn silence() -> Answer {
    Err(Denial::UpstreamUnreachable { cause: "the resolver does not answer".to_owned() })
}

#[test]
fn an_address_that_left_the_answer_gets_nothing_more_and_one_that_stayed_keeps_what_it_has() {
    let (pool, now) = (pool(&["engine"]), Instant::now());
    pool.adopt(vec![answer(&["9.9.9.9:80", "8.8.8.8:80"])], now);
    let stays = pool.at("9.9.9.9:80".parse().unwrap()).unwrap();
    let leaves = pool.at("8.8.8.8:80".parse().unwrap()).unwrap();
    pool.adopt(vec![answer(&["9.9.9.9:80", "1.1.1.1:80"])], now);
    assert_eq!(addresses(&pool), ["9.9.9.9:80", "1.1.1.1:80"]);
    assert!(leaves.is_retired() && !stays.is_retired());
    assert!(Rc::ptr_eq(&stays, &pool.at(stays.address).unwrap()));
}

#[test]
fn the_last_good_answer_serves_for_a_minute_while_the_resolver_fails() {
    let (pool, now) = (pool(&["engine"]), Instant::now());
    pool.adopt(vec![answer(&["9.9.9.9:80"])], now);
    pool.adopt(vec![silence()], now + NAMES_LAST - Duration::from_secs(1));
    assert_eq!(addresses(&pool), ["9.9.9.9:80"]);
    assert!(pool.verdict.borrow().is_none());
    pool.adopt(vec![silence()], now + NAMES_LAST);
    assert!(addresses(&pool).is_empty());
    assert_eq!(pool.verdict.borrow().as_ref().map(Denial::code), Some("upstream_unreachable"));
    assert_eq!(pool.due.get(), now + NAMES_LAST + NAMES_AGAIN, "asked again soon");
}

#[test]
fn a_name_that_fails_does_not_take_the_others_with_it() {
    let (pool, now) = (pool(&["engine", "gone", "other"]), Instant::now());
    pool.adopt(vec![answer(&["9.9.9.9:80"]), silence(), answer(&["9.9.9.9:80", "8.8.8.8:80"])], now);
    assert_eq!(addresses(&pool), ["9.9.9.9:80", "8.8.8.8:80"], "each once");
    assert!(pool.verdict.borrow().is_none());
}

#[test]
fn hazard_20_a_later_answer_that_leads_inside_closes_what_was_open() {
    let (pool, now) = (pool(&["engine", "other"]), Instant::now());
    pool.adopt(vec![answer(&["9.9.9.9:80"]), answer(&["8.8.8.8:80"])], now);
    pool.adopt(vec![answer(&["9.9.9.9:80"]), answer(&["8.8.8.8:80", "10.0.0.1:80"])], now);
    assert!(addresses(&pool).is_empty());
    assert_eq!(pool.verdict.borrow().as_ref().map(Denial::code), Some("destination_not_allowed"));
}

#[test]
fn an_address_that_is_out_is_asked_only_where_nobody_else_is_left() {
    let (pool, now) = (pool(&["engine"]), Instant::now());
    pool.adopt(vec![answer(&["9.9.9.9:80", "8.8.8.8:80"])], now);
    let (bad, good) = ("9.9.9.9:80".parse().unwrap(), "8.8.8.8:80".parse().unwrap());
    (0..3).for_each(|_| pool.failed(bad, now));
    for _ in 0..10 {
        assert_eq!(pool.next(now, &[], true).unwrap().address, good);
    }
    assert!(pool.next(now, &[good], false).is_none() && !pool.has_other(now, &[good]));
    assert_eq!(pool.next(now, &[good], true).unwrap().address, bad);
}
