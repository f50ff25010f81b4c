import Testing

@testable import ChaperoneServer

/// When the disk will be full.
@Suite struct DiskForecastTests {
    @Test func `one look foretells nothing`() {
        let forecast = DiskForecast(path: "/tmp/none.db")
        forecast.add(.init(at: 0, used: 100, free: 1 << 30))
        #expect(forecast.growth == 0)
        #expect(forecast.secondsLeft == nil)
    }

    @Test func `growth goes on as it was`() {
        let forecast = DiskForecast(path: "/tmp/none.db")
        forecast.add(.init(at: 0, used: 1000, free: 100_020_000))
        forecast.add(.init(at: 10_000, used: 21_000, free: 100_000_000))
        #expect(forecast.growth == 2000)
        #expect(forecast.secondsLeft == 50_000)
        #expect(forecast.problem == nil)
    }

    @Test func `what others take of the disk fills it too`() {
        let forecast = DiskForecast(path: "/tmp/none.db")
        forecast.add(.init(at: 0, used: 1000, free: 100_400_000))
        forecast.add(.init(at: 10_000, used: 21_000, free: 100_000_000))
        #expect(forecast.shrinking == 40_000)
        #expect(forecast.secondsLeft == 2500)
    }

    @Test func `a log that shrank does not grow`() {
        let forecast = DiskForecast(path: "/tmp/none.db")
        forecast.add(.init(at: 0, used: 1000, free: 1 << 30))
        forecast.add(.init(at: 1000, used: 10, free: 1 << 30))
        #expect(forecast.secondsLeft == nil)
    }

    @Test func `little space is a problem`() {
        let forecast = DiskForecast(path: "/tmp/none.db")
        forecast.add(.init(at: 0, used: 1000, free: DiskForecast.leastFree - 1))
        #expect(forecast.problem != nil)
    }

    @Test func `a disk that is there is looked at`() {
        let forecast = DiskForecast(path: "/tmp")
        forecast.sample(at: 5)
        #expect((forecast.latest?.free ?? 0) > 0)
    }
}
